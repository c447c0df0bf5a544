"""Worker processes begin with their initializer and end with their parent."""

import os
import signal
import subprocess
import sys
import time

import pytest

from jova_core.processes import process_pool

PARENT = """
import os, time
from jova_core.processes import start_pool
if __name__ == "__main__":
    pool = start_pool(2)
    first = [pool.submit(time.sleep, 0.5) for _ in range(2)]
    print(*{future.result() or 0 for future in first}, *pool._processes, flush=True)
    time.sleep(600)
"""
_known = {}


def _remember(name, value):
    _known[name] = value


def _recall(name):
    return _known.get(name)


def test_each_worker_runs_its_initializer():
    with process_pool(2, _remember, ("answer", 42)) as pool:
        assert set(pool.map(_recall, ["answer"] * 4)) == {42}


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_a_parent_that_is_killed(tmp_path, kind):
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    _, *workers = map(int, parent.stdout.readline().split())
    assert len(workers) == 2
    parent.send_signal(kind)
    parent.wait()
    end = time.monotonic() + 30
    while any(map(_runs, workers)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(_runs, workers))


def _runs(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
