import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jova_core.errors import JoVAError
from jova_core.mini.voices.cache import Utterance, read_plan, read_speech, speech_path, write_speech
from jova_core.mini.voices.cast import NEWCOMER, VOICES
from jova_core.mini.voices.make import make_speech, plan_speech


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """The stand-in engine's module, found by worker processes too; it notes into a new file."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import stand_in

    monkeypatch.setenv(stand_in.NOTES, str(tmp_path / "notes"))
    return stand_in


def notes(tmp_path):
    return [line.split(" ", 1) for line in (tmp_path / "notes").read_text().splitlines()]


def test_a_plan_has_every_voice_evenly_and_all_splits_from_its_beginning():
    plan = plan_speech(400, seed=3)
    counts = Counter(utterance.split for utterance in plan)
    assert counts == {"train": 400, "heldout": 20, "unseen": 20, "newcomer": 8}
    voices = Counter(u.voice for u in plan if u.split == "train")
    assert voices == dict.fromkeys(VOICES, 400 // len(VOICES))
    assert {u.voice for u in plan if u.split == "newcomer"} == {NEWCOMER}
    assert {u.split for u in plan[:50]} == set(counts)
    assert all(0.85 <= u.tempo <= 1.15 for u in plan)
    assert plan == plan_speech(400, seed=3) != plan_speech(400, seed=4)


def test_a_key_changes_with_whatever_changes_the_sound():
    utterance = Utterance(split="train", voice="kore", words=("hi",), text="Hi.", tempo=1.0)
    others = (
        replace(utterance, voice="emma").key("1"),
        replace(utterance, text="Hi!").key("1"),
        replace(utterance, tempo=1.01).key("1"),
        utterance.key("2"),
    )
    assert len({utterance.key("1"), *others}) == 5
    assert replace(utterance, split="heldout").key("1") == utterance.key("1")


def test_speech_comes_back_from_disk_as_it_was(tmp_path, stand_in):
    speech = stand_in.StandIn().say("Good day", "kore", 1.07)
    write_speech(tmp_path, "abc", speech)
    again = read_speech(tmp_path, "abc")
    assert again.samples.dtype == np.float32
    assert np.abs(again.samples - speech.samples).max() < 1 / 32000
    assert [(p.symbol, p.stress, p.word) for p in again.phones] == [
        (p.symbol, p.stress, p.word) for p in speech.phones
    ]
    assert again.phones[-1].end == pytest.approx(speech.phones[-1].end, abs=1e-4)


def test_a_stopped_run_goes_on_and_says_nothing_twice(tmp_path, stand_in):
    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    folder = tmp_path / "voices"
    with pytest.raises(KeyboardInterrupt):
        make_speech(folder, 12, 0, 1, open_engine=stand_in.StandIn, progress=stop)
    seen = []
    plan = make_speech(
        folder, 12, 0, 1, open_engine=stand_in.StandIn, progress=lambda *at: seen.append(at)
    )
    assert seen == [(done, len(plan)) for done in range(5, len(plan) + 1)]
    assert len(notes(tmp_path)) == len(plan)
    assert read_plan(folder) == plan
    assert not list(folder.rglob("*.tmp"))


def test_several_processes_write_what_one_does(tmp_path, stand_in):
    one, two = tmp_path / "one", tmp_path / "two"
    plan = make_speech(one, 10, 0, 1, open_engine=stand_in.StandIn)
    assert make_speech(two, 10, 0, 2, open_engine=stand_in.StandIn) == plan
    for key in plan:
        for path in (speech_path(one, key), speech_path(one, key).with_suffix(".flac")):
            assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()
    speakers = {process for process, _ in notes(tmp_path)} - {str(os.getpid())}
    assert speakers


def test_a_folder_that_cannot_be_and_no_workers_are_told(tmp_path, stand_in):
    (tmp_path / "file").touch()
    with pytest.raises(JoVAError, match="could not be written"):
        make_speech(tmp_path / "file" / "voices", 2, 0, 1, open_engine=stand_in.StandIn)
    with pytest.raises(JoVAError, match="Got 0 workers"):
        make_speech(tmp_path / "voices", 2, 0, 0, open_engine=stand_in.StandIn)


def test_damage_is_told_with_what_to_do(tmp_path, stand_in):
    with pytest.raises(JoVAError, match="make-voices"):
        read_plan(tmp_path)
    write_speech(tmp_path, "abc", stand_in.StandIn().say("Good day", "kore", 1.0))
    speech_path(tmp_path, "abc").with_suffix(".flac").write_bytes(b"fLaC")
    with pytest.raises(JoVAError, match="delete it"):
        read_speech(tmp_path, "abc")
    with pytest.raises(JoVAError, match="expected 1 or more"):
        plan_speech(0, seed=0)
