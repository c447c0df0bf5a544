"""`jova generate` with files of people's: checked before the work, kept as they are."""

import math
from argparse import Namespace
from fractions import Fraction

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from jova_core.__main__ import main
from jova_core.commands.generate_given import Material, _own_voice
from jova_core.decoding import decode_stream
from jova_core.latents import AVLatents
from jova_core.media import probe, read_video, write_clip
from jova_core.mini import load_pipeline
from jova_core.pipeline import SampleSettings, clip_frames, sample
from jova_core.prompt import Prompt

from . import bundled

FAST = ["--steps", "1", "--scale", "1"]
FPS = bundled.config().video.fps


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
    out, rates = tmp_path / "a.mp4", {"fps": FPS, "sample_rate": 16_000}
    made = write_clip(out, decoded.frames, decoded.audio, **rates)
    assert (made.frames, made.channels) == (frames, 0)
    assert "NaN" in made.notes[0]


def frames_of(path, count):
    return read_video(path, fps=FPS, max_frames=count).float()


def whole_frames(seconds):
    """Frames of a film that fill whole latents."""
    return bundled.timeline().whole_frames(round(FPS * seconds))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dub"], "give one with --video"),
        (["--extend", "--dub", "--video", "F"], "give one of them"),
        (["--audio", "A", "--dub", "--video", "F"], "--audio"),
        (["--redo-stream", "audio", "--video", "F"], "--redo FROM TO"),
        (["--video", "F", "--last-image", "P"], "its own pictures"),
        (["--video", "F", "--dub"], "trained on masks"),
        (["--video", "F", "--audio", "A"], "trained on masks"),
        (["--video", "F", "--redo", "2", "1"], "two rising times"),
        (["--video", "F", "--extend", "--seconds", "0.5"], "longer than the film"),
    ],
)
def test_tasks_that_cannot_be_done_are_refused(tmp_path, capsys, options, words):
    film = bundled.write_sample(tmp_path / "film.mp4")
    soundfile.write(tmp_path / "voice.wav", 0.1 * np.ones(8000), 8000)
    named = {"F": film, "A": tmp_path / "voice.wav", "P": tmp_path / "none.png"}
    given = [named.get(option, option) for option in options]
    status, heard = said(capsys, *given, "-o", tmp_path / "o.mp4", *FAST)
    assert status == 2
    assert words in heard
    assert not (tmp_path / "o.mp4").exists()


def test_a_film_goes_on_and_its_beginning_stays(tmp_path, capsys):
    film, out = bundled.write_sample(tmp_path / "film.mp4"), tmp_path / "o.mp4"
    assert said(capsys, "--video", film, "--extend", "--seconds", "2", "-o", out, *FAST)[0] == 0
    found = probe(out)
    assert found.video.frames == bundled.timeline().legal_frames(2)
    assert abs(found.video.seconds - found.audio.seconds) < 0.1
    count = whole_frames(1)
    kept, given = frames_of(out, count), frames_of(film, count)
    assert (kept - given).abs().mean() < 2


def test_a_silent_film_has_no_voice_of_its_own_and_its_dub_is_not_silent(tmp_path):
    line = bundled.timeline()
    films = {
        "talking": bundled.write_sample(tmp_path / "talking.mp4"),
        "silent": video(tmp_path / "silent.mp4", 16, audio=torch.zeros(16_000)),
        "mute": video(tmp_path / "mute.mp4", 16),
    }
    for name, path in films.items():
        material = Material()
        heard = _own_voice(Namespace(video=path), line, material)
        assert (heard is not None) == (name == "talking")
        assert not material.silent  # which would take the words away
        assert material.audio is None


def test_a_film_of_another_size_is_said_to_change(tmp_path, capsys):
    film, side = video(tmp_path / "a.mp4", 30), bundled.side()
    status, words = said(capsys, "--video", film, "--extend", "-o", tmp_path / "o.mp4", *FAST)
    assert status == 0
    made_at = f"{side} x {side} px and {FPS} fps"
    assert f"80 x 48 px at 30 fps; the clip is made at {made_at}" in words


def test_a_stretch_of_a_film_is_made_anew(tmp_path, capsys):
    film, out = bundled.write_sample(tmp_path / "film.mp4"), tmp_path / "o.mp4"
    arguments = ["--video", film, "--redo", "0.5", "0.7", "--redo-stream", "video"]
    assert said(capsys, *arguments, "-o", out, *FAST)[0] == 0
    count = whole_frames(1)
    made, given = frames_of(out, count), frames_of(film, count)
    error = (made - given).abs().flatten(1).mean(1)
    line = bundled.timeline()
    first, last = (line.latent_of_frame(int(seconds * FPS)) for seconds in (0.5, 0.7))
    assert error[: line.frames(first)].max() < 2
    assert error[line.frames(first) : line.frames(last)].min() > 2


def test_a_first_and_a_last_picture(tmp_path, capsys):
    line = bundled.timeline()
    film, out = bundled.write_sample(tmp_path / "film.mp4"), tmp_path / "o.mp4"
    pictures = frames_of(film, whole_frames(1)).byte()
    for name, place in (("first", 0), ("last", -1)):
        Image.fromarray(pictures[place].numpy()).save(tmp_path / f"{name}.png")
    ends = ["--image", tmp_path / "first.png", "--last-image", tmp_path / "last.png"]
    assert said(capsys, *ends, "--seconds", "1", "-o", out, *FAST)[0] == 0
    made = frames_of(out, line.legal_frames(1))
    for place in (0, -1):
        assert (made[place] - pictures[place].float()).abs().mean() < 8
