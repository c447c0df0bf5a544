"""Sound that is written: every channel in its place, faults named, pictures never lost for it."""

import math

import pytest
import torch

from jova_core.media import (
    load_recipe,
    probe,
    read_audio_native,
    recipe_names,
    stream_video,
    write_clip,
)

RATE = 48_000
FRAMES = torch.zeros(16, 32, 32, 3, dtype=torch.uint8)
SOUNDING = [name for name in recipe_names() if load_recipe(name).audio_args]


def write(folder, audio, recipe="mp4", **options):
    path = folder / f"a{load_recipe(recipe).suffix}"
    return write_clip(path, FRAMES, audio, fps=16, sample_rate=RATE, recipe=recipe, **options)


# Only layouts of six and eight channels have one for low frequencies.
@pytest.mark.parametrize(
    ("count", "low"), [*((n, False) for n in range(1, 9)), (6, True), (8, True)]
)
@pytest.mark.parametrize("recipe", ["mp4", "webm", "prores", "mkv_lossless"])
def test_channels_keep_their_order(tmp_path, recipe, count, low):
    """A tone of its own in each channel is the strongest there, at its level."""
    hertz = [50 if low and i == 3 else 300 + 100 * i for i in range(count)]
    time = torch.arange(RATE) / RATE
    audio = torch.stack([0.3 * torch.sin(2 * math.pi * f * time) for f in hertz])
    made = write(tmp_path, audio, recipe)
    heard, _ = read_audio_native(made.path)
    middle = slice(8000, 40_000)
    wave = torch.stack([torch.exp(2j * math.pi * f * time[middle].double()) for f in hertz])
    level = (heard[:, middle].to(torch.complex128) @ wave.conj().T).abs() * 2 / 32_000
    assert level.argmax(1).tolist() == list(range(count))
    assert (level.diagonal() - 0.3).abs().max() < 0.06
    assert made.notes == ()
    assert ("LFE" in probe(made.path).audio.layout) >= low


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("recipe", ["mp4", "mkv_lossless"])
def test_a_broken_sound_leaves_the_pictures(tmp_path, value, recipe):
    audio = torch.zeros(RATE)
    audio[7] = value
    made = write(tmp_path, audio, recipe)
    assert "NaN" in made.notes[0]
    assert probe(made.path).video.frames == 16
    assert probe(made.path).audio is None


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (torch.ones(RATE), "constant"),
        (-torch.ones(RATE), "constant"),
        (torch.full((2, RATE), 0.4), "constant"),
        (torch.where(torch.arange(RATE) // 50 % 2 == 0, 1.0, -1.0), "full scale"),
        (0.3 + 0.2 * torch.sin(torch.arange(RATE) * 0.1), "constant part"),
    ],
)
def test_a_sound_that_is_none_is_named(tmp_path, audio, words):
    assert words in write(tmp_path, audio).notes[-1]


def test_a_usual_sound_is_not_remarked_on(tmp_path):
    generator = torch.Generator().manual_seed(0)
    for audio in (0.2 * torch.randn(RATE, generator=generator), torch.zeros(RATE)):
        assert write(tmp_path, audio.clamp(-1, 1)).notes == ()


@pytest.mark.parametrize("recipe", [name for name in recipe_names() if name != "gif"])
def test_tags_that_end_in_a_backslash(tmp_path, recipe):
    tags = {"a": "C:\\clips\\", "b": "\\", "workflow": {"path": "C:\\"}, "c": "two\n\\\\", "d": "x"}
    made = write(tmp_path, None, recipe, metadata=tags)
    found = probe(made.path).tags
    assert made.notes == ()
    assert {key: found[key] for key in "abcd"} == {key: tags[key] for key in "abcd"}


def test_a_long_tag_that_ends_in_a_backslash_spoils_no_other(tmp_path):
    made = write(tmp_path, None, metadata={"a": "x" * 300_000 + "\\", "b": "kept"})
    assert made.notes == ("A .mp4 file cannot hold this metadata as given: a.",)
    assert probe(made.path).tags["b"] == "kept"


def test_a_streamed_video_is_written(tmp_path):
    source = write(tmp_path, None, "mkv_lossless").path
    copy = write_clip(
        tmp_path / "b.mp4", stream_video(source, frames=8), None, fps=16, sample_rate=1
    )
    assert copy.frames == 8
