"""`jova generate` with files of people's: checked before the work, kept as they are."""

import math
from fractions import Fraction

import numpy as np
import pytest
import soundfile
import torch

from jova_core.__main__ import main
from jova_core.decoding import decode_stream
from jova_core.latents import AVLatents
from jova_core.media import probe, read_video, write_clip
from jova_core.mini import load_pipeline
from jova_core.pipeline import SampleSettings, clip_frames, sample
from jova_core.prompt import Prompt

FAST = ["--steps", "1", "--scale", "1"]


def said(capsys, *arguments):
    """Exit status of `jova generate`, and what it wrote to stderr."""
    status = main(["generate", "", *map(str, arguments)])
    return status, capsys.readouterr().err


def video(path, fps, seconds=1, audio=None):
    frames = torch.zeros(round(fps * seconds), 48, 80, 3, dtype=torch.uint8)
    frames += (torch.arange(len(frames)) * 5)[:, None, None, None].to(torch.uint8)
    write_clip(path, frames, audio, fps=fps, sample_rate=16_000)
    return path


@pytest.mark.parametrize("option", ["--video", "--audio", "--checkpoint"])
def test_an_output_that_is_an_input_is_refused_at_once(tmp_path, capsys, option):
    path = video(tmp_path / "a.mp4", 16)
    before = path.read_bytes()
    link = tmp_path / "b.mp4"
    link.symlink_to(path)
    for output in (path, tmp_path / "." / "a.mp4", link):
        status, words = said(capsys, option, path, "-o", output)
        assert status == 2
        assert f"the file of {option}" in words
    assert path.read_bytes() == before


@pytest.mark.parametrize("channels", [9, 16])
def test_too_many_channels_are_refused_before_sampling(tmp_path, capsys, channels):
    soundfile.write(tmp_path / "a.wav", 0.1 * np.ones((8000, channels)), 8000)
    status, words = said(capsys, "--audio", tmp_path / "a.wav", "-o", tmp_path / "o.mp4", *FAST)
    assert status == 2
    assert f"{channels} channels" in words
    assert "generate:" not in words


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30_000, 1001), Fraction(60)])
def test_a_given_video_keeps_its_own_rate(tmp_path, capsys, fps):
    source, out = video(tmp_path / "a.mp4", fps), tmp_path / "o.mp4"
    assert said(capsys, "--video", source, "-o", out, *FAST)[0] == 0
    found = probe(out)
    assert found.video.fps == fps
    assert (found.video.width, found.video.height) == (80, 48)
    assert abs(found.video.seconds - found.audio.seconds) < 2 / fps
    count = found.video.frames
    ours, given = (read_video(p, fps=fps, max_frames=count).float() for p in (out, source))
    assert (ours - given).abs().mean() < 3


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.stack([np.sin(np.arange(8000) * 0.3), -np.sin(np.arange(8000) * 0.3)], 1), "antiphase"),
        (np.full(8000, 0.5), "constant"),
        (np.zeros(8000), "silent"),
    ],
)
def test_what_is_wrong_with_a_given_sound_is_said(tmp_path, capsys, samples, words):
    soundfile.write(tmp_path / "a.wav", 0.5 * samples, 8000)
    status, heard = said(capsys, "--audio", tmp_path / "a.wav", "-o", tmp_path / "o.mp4", *FAST)
    assert status == 0
    assert words in heard


def test_latents_of_a_broken_sound_leave_the_pictures(tmp_path):
    pipeline = load_pipeline()
    frames = clip_frames(pipeline.timeline, 0.5)
    latents = sample(pipeline, Prompt(), frames, SampleSettings(steps=1))
    broken = AVLatents(video=latents.video, audio=latents.audio * math.nan)
    decoded = decode_stream(pipeline, broken, frames)
    made = write_clip(tmp_path / "a.mp4", decoded.frames, decoded.audio, fps=16, sample_rate=16_000)
    assert (made.frames, made.channels) == (frames, 0)
    assert "NaN" in made.notes[0]
