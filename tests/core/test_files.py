"""Files are whole, readable by others and told about in one sentence."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from jova_core.errors import JoVAError
from jova_core.files import atomic_write, check_target, claimed_name, read_tensors


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def fail(target, error):
    """Write half a file, then fail."""
    with atomic_write(target) as temporary:
        temporary.write_text("half")
        raise error


def test_a_tensor_file_has_the_mode_of_any_other_new_file(tmp_path):
    (tmp_path / "plain").write_text("x")
    with atomic_write(tmp_path / "a.safetensors") as temporary:
        save_file({"x": torch.ones(2)}, temporary)
    assert mode(tmp_path / "a.safetensors") == mode(tmp_path / "plain")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("I/O error: No space left on device (os error 28)", "disk is full"),
        ("I/O error: Permission denied (os error 13)", "cannot be written"),
        ("something else", "something else"),
    ],
)
def test_errors_of_safetensors_become_sentences(tmp_path, words, says):
    with pytest.raises(JoVAError, match=says):
        fail(tmp_path / "a", SafetensorError(words))
    assert not list(tmp_path.iterdir())


def test_an_older_file_survives_a_failure(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError):
        fail(target, ZeroDivisionError())
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_tensors_read_back_and_damaged_ones_get_a_sentence(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.ones(2)}, path, {"kind": "test"})
    tensors, about = read_tensors(path, "test", "a test file")
    assert tensors["x"].tolist() == [1, 1]
    assert about == {"kind": "test"}
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(JoVAError, match="truncated"):
        read_tensors(path, "test", "a test file")
    with pytest.raises(JoVAError, match="does not exist"):
        read_tensors(tmp_path / "gone", "test", "a test file")


def test_targets_are_checked_before_the_work(tmp_path, monkeypatch):
    check_target(tmp_path / "new")
    with pytest.raises(JoVAError, match="does not exist"):
        check_target(tmp_path / "gone" / "new")
    with pytest.raises(JoVAError, match="is a folder"):
        check_target(tmp_path)
    # Patched rather than chmod'ed: root, as in containers, may write anywhere.
    monkeypatch.setattr("jova_core.files.os.access", lambda *_: False)
    with pytest.raises(JoVAError, match="cannot be written to"):
        check_target(tmp_path / "new")


def test_two_writers_never_get_one_name(tmp_path):
    (tmp_path / "a_00002_.mp4").write_text("there")
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: claim(tmp_path), range(24)))
    assert len(set(paths)) == 24
    assert (tmp_path / "a_00002_.mp4").read_text() == "there"
    assert len(list(tmp_path.iterdir())) == 25


def claim(folder):
    with claimed_name(folder, "a_", ".mp4") as path:
        path.write_text("mine")
    return path


def fail_in(claim):
    with claim as path:
        assert path.name == "a_00007_.mp4"
        raise ZeroDivisionError


def test_a_name_is_given_back_when_nothing_was_written(tmp_path):
    with pytest.raises(ZeroDivisionError):
        fail_in(claimed_name(tmp_path, "a_", ".mp4", 7))
    assert not list(tmp_path.iterdir())
    with pytest.raises(JoVAError, match="could not be written"):
        claim(tmp_path / "gone")
