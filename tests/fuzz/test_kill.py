"""SIGKILL at random moments of encoding, training and saving: what was finished stays."""

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from jova_core.errors import JoVAError
from jova_core.media import probe, write_clip
from jova_core.training.encode import encode_clips
from jova_core.training.shards import PATTERN, read_encoded, read_outcomes
from jova_core.training.stream import ClipStream, StreamRules

from ..training.test_stream import CONFIG, ENCODERS, SETTINGS, Noise, load_tiny_codecs
from ..training.test_training import log_of, make_data, run

CLIPS, STEPS, SAVES = 48, 24, 30


@dataclass(frozen=True)
class Counted(Noise):
    """The clips of Noise in order; each leaves a note when it is read."""

    notes: str = ""

    def entries(self):
        return [2 * number + 1 for number in range(CLIPS)]

    def read(self, entry, config):
        with open(self.notes, "a") as file:  # noqa: PTH123
            file.write(f"{entry}\n")
        return super().read(entry, config)


def encode(root):
    source = Counted(notes=str(root / "notes"))
    return encode_clips(source, root / "out", CONFIG, load_tiny_codecs, workers=1)


def train(root):
    resume = (root / "run" / "state.safetensors").exists()
    run(root / "data", root / "run", steps=STEPS, resume=resume)


def save(root):
    frames = torch.randint(0, 255, (12, 64, 64, 3), dtype=torch.uint8)
    for number in range(SAVES):
        target = root / f"{number}.mp4"
        if not target.exists():
            write_clip(target, frames, torch.zeros(1, 8000), fps=24, sample_rate=16000)


def _begin(task, root):
    torch.set_num_threads(1)
    os.setpgrp()  # so that ffmpeg dies with its caller, as when a machine loses power
    globals()[task](root)


def killed(task, root, rng, longest):
    """Run a task and kill it at a random moment; whether it was still at work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_begin, args=(task, root))
    process.start()
    process.join(float(rng.uniform(0.05, longest)))
    alive = process.exitcode is None
    if alive:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has no group of its own yet
            process.kill()
    process.join()
    assert alive or process.exitcode == 0
    return alive


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def seconds_of(task, root):
    started = time.monotonic()
    root.mkdir()
    task(root)
    return time.monotonic() - started


def test_encoding(tmp_path, rng):
    longest = seconds_of(encode, tmp_path / "whole")
    root = tmp_path / "killed"
    root.mkdir()
    kills, finished = 0, set()
    for _ in range(7):
        kills += killed("encode", root, rng, longest / 2)
        shards = {path: path.read_bytes() for path in (root / "out").glob(PATTERN)}
        assert finished <= set(shards.items()), "a finished shard was lost or changed"
        finished = set(shards.items())
    assert kills
    outcomes = encode(root)
    assert len(outcomes) == CLIPS
    assert all(outcome.clip is not None for outcome in outcomes)
    whole, again = (read_encoded(folder / "out") for folder in (tmp_path / "whole", root))
    assert {clip.id for clip in again.clips} == {clip.id for clip in whole.clips}
    assert all(torch.equal(again.latents[name], whole.latents[name]) for name in whole.latents)
    read = (root / "notes").read_text().split()
    assert len(read) <= CLIPS + 8 * kills, "more than a shard was made twice for a kill"


def test_training(tmp_path, rng):
    whole, root = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, root):
        folder.mkdir()
        make_data(folder / "data")
    started = time.monotonic()
    train(whole)
    longest, last = time.monotonic() - started, 0
    kills = 0
    for _ in range(7):
        kills += killed("train", root, rng, longest / 2)
        if (root / "run" / "log.jsonl").exists():
            steps = max(log_of_whole_lines(root / "run"), default=0)
            assert steps >= last, "a step that was logged is gone"
            last = steps
    assert kills
    train(root)
    one, two = (load_file(folder / "run" / "state.safetensors") for folder in (whole, root))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert log_of(root / "run")[STEPS]["loss"] == log_of(whole / "run")[STEPS]["loss"]


def log_of_whole_lines(folder):
    text = (folder / "log.jsonl").read_text()
    (folder / "log.copy").mkdir(exist_ok=True)
    (folder / "log.copy" / "log.jsonl").write_text(text[: text.rfind("\n") + 1])
    return log_of(folder / "log.copy")


def test_saving(tmp_path, rng):
    longest = seconds_of(save, tmp_path / "whole")
    root = tmp_path / "killed"
    root.mkdir()
    kills = 0
    for _ in range(6):
        kills += killed("save", root, rng, longest / 2)
        for path in root.glob("[0-9]*.mp4"):
            assert probe(path).video.frames == 12, "half a file stands under a clip's name"
    assert kills
    save(root)
    assert len(list(root.glob("[0-9]*.mp4"))) == SAVES


@dataclass(frozen=True)
class Deadly(Noise):
    """Kills the process that reads its last clip, as a system without memory does."""

    def entries(self):
        return [2 * number + 1 for number in range(24)]

    def read(self, entry, config):
        if entry >= 33:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(entry, config)


def test_a_killed_worker_is_named_and_what_is_encoded_stays(tmp_path):
    with pytest.raises(JoVAError, match=r"killed, perhaps for want of memory.*fewer workers"):
        encode_clips(Deadly(), tmp_path, CONFIG, load_tiny_codecs, workers=2)
    kept = len(read_outcomes(tmp_path))
    assert kept in (0, 8, 16)
    again = encode_clips(Noise(), tmp_path, CONFIG, load_tiny_codecs, workers=1)
    assert again == []  # the folder is unlocked and whole


def test_a_killed_worker_ends_a_stream_with_a_sentence():
    rules = StreamRules(workers=1, least=40, most=60)
    with (
        ClipStream(Deadly(), CONFIG, load_tiny_codecs, SETTINGS, ENCODERS, rules=rules) as stream,
        pytest.raises(JoVAError, match="killed, perhaps for want of memory"),
    ):
        stream.batch(0, SETTINGS, ENCODERS, torch.float32)
