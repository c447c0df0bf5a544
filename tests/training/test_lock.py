"""One folder, one run: locks, dead owners, and losses that explode."""

import json
import os
import socket
import subprocess
import sys

import pytest

from jova_core.errors import JoVAError
from jova_core.training import lock
from jova_core.training.lock import NAME, PATIENCE, locked
from jova_core.training.watch import IN_A_ROW, LossWatch


def leave_lock(folder, pid, host=None, age=0.0):
    """A lock as another program left it."""
    folder.mkdir(exist_ok=True)
    path = folder / NAME
    owner = {"pid": pid, "host": host or socket.gethostname(), "token": "other"}
    path.write_text(json.dumps(owner))
    moment = path.stat().st_mtime - age
    os.utime(path, (moment, moment))
    return path


def dead_pid():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_second_is_refused_and_the_folder_is_left_clean(tmp_path):
    folder = tmp_path / "run"
    with locked(folder):
        says = rf"process {os.getpid()} on .* wait for its end"
        with pytest.raises(JoVAError, match=says), locked(folder):
            pass
        assert [path.name for path in folder.iterdir()] == [NAME]
    assert list(folder.iterdir()) == []
    with locked(folder):
        pass


@pytest.mark.parametrize("age", [0.0, PATIENCE * 2])
def test_the_lock_of_a_dead_owner_is_taken_over(tmp_path, age):
    leave_lock(tmp_path, dead_pid(), age=age)
    with locked(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_an_owner_elsewhere_lives_while_its_heart_beats(tmp_path):
    leave_lock(tmp_path, 1, host="elsewhere")
    with pytest.raises(JoVAError, match="on elsewhere"), locked(tmp_path):
        pass
    leave_lock(tmp_path, 1, host="elsewhere", age=PATIENCE * 2)
    with locked(tmp_path):
        pass


def test_a_number_that_another_program_has_by_now_is_no_owner(tmp_path):
    leave_lock(tmp_path, os.getppid(), age=PATIENCE * 2)
    with locked(tmp_path):
        pass


def test_a_damaged_lock_is_taken_over_when_it_is_silent(tmp_path):
    path = leave_lock(tmp_path, 1, host="elsewhere", age=PATIENCE * 2)
    path.write_text("{")
    os.utime(path, (0, 0))
    with locked(tmp_path):
        pass


def test_the_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.01)
    with locked(tmp_path):
        path = tmp_path / NAME
        os.utime(path, (0, 0))
        for _ in range(500):
            if path.stat().st_mtime > 0:
                break
            lock.time.sleep(0.01)
        assert path.stat().st_mtime > 0


def test_a_lock_taken_over_is_not_removed_by_its_late_owner(tmp_path):
    with locked(tmp_path):
        leave_lock(tmp_path, 1, host="elsewhere")
    assert (tmp_path / NAME).exists()


def test_many_at_once_have_one_winner(tmp_path):
    leave_lock(tmp_path, dead_pid())
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom jova_core.training.lock import locked\n"
        "try:\n with locked(Path(sys.argv[1])): print('won', flush=True); time.sleep(3)\n"
        "except ValueError: print('refused')"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    several = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = sorted(process.communicate()[0].strip() for process in several)
    assert set(said) <= {"won", "refused"}
    assert "won" in said


def watched(losses):
    """The step at which the watch stops, or None."""
    watch = LossWatch()
    for step, loss in enumerate(losses, 1):
        watch.note(loss, watch.is_high(loss))
        if watch.exploded:
            return step
    return None


def test_a_loss_that_stays_three_times_too_high_stops():
    assert watched([1.0] * 20 + [3.5] * 50) == 20 + IN_A_ROW
    assert watched([1.0] * 20 + [float(2**n) for n in range(50)]) == 20 + 2 + IN_A_ROW


def test_noise_and_single_spikes_do_not_stop():
    assert watched([0.5, 2.0, 1.0, 1.4] * 50) is None
    assert watched(([1.0] * 10 + [50.0] * 2) * 10) is None
    assert watched([1.0 / n for n in range(1, 100)]) is None
