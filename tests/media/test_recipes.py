"""Every recipe: sound and picture stay together, nothing is lost, and what cannot be held is said.

Read back with imageio-ffmpeg's program only; system versions differ in the last AAC packet.
"""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from jova_core.errors import JoVAError
from jova_core.media import (
    load_recipe,
    probe,
    read_audio_native,
    read_video,
    recipe_names,
    recipes,
    write_clip,
)
from jova_core.media.ffmpeg import ffmpeg_exe, input_arguments, run_ffmpeg

NAMES = recipe_names()
SOUNDING = [name for name in NAMES if load_recipe(name).audio_args]
TAGGED = [name for name in NAMES if name != "gif"]
BROWSER = {"mp4", "webm", "gif"}
RATE = 16000


def written(folder, name, frames, audio=None, sample_rate=RATE, fps=16, **options):
    path = folder / f"clip{load_recipe(name).suffix}"
    made = write_clip(path, frames, audio, fps=fps, sample_rate=sample_rate, recipe=name, **options)
    return path, made


def moving_ramp(frames, height=96, width=96):
    """Smooth colours that drift from frame to frame."""
    across = torch.linspace(20, 200, width).expand(frames, height, width)
    down = torch.linspace(200, 20, height)[:, None].expand(frames, height, width)
    drift = torch.arange(frames)[:, None, None] % 40
    picture = [across + drift, down + drift, 0.5 * (across + down)]
    return torch.stack(picture, dim=-1).to(torch.uint8)


def tone(seconds, sample_rate, hertz=440.0):
    return 0.5 * torch.sin(
        2 * math.pi * hertz * torch.arange(round(seconds * sample_rate)) / sample_rate
    )


def decoded(path, stream, *output):
    """Return what ffmpeg decodes from `stream` without any shift of its time."""
    guards = ["-v", "error", "-copyts", *input_arguments(path)]
    done = run_ffmpeg([*guards, "-map", f"0:{stream}:0", "-fps_mode", "passthrough", *output, "-"])
    assert done.returncode == 0, done.stderr
    return done.stdout


def timestamps(path, stream):
    """Return the presentation time of every decoded frame of `stream` in seconds."""
    # By default ffmpeg rounds the times of pictures to whole frames, which would hide a shift.
    fine = ["-enc_time_base", "1:1000000"] if stream == "v" else []
    lines = decoded(path, stream, *fine, "-f", "framecrc").decode().splitlines()
    base = next(Fraction(line.split(": ")[1]) for line in lines if line.startswith("#tb"))
    return [int(line.split(",")[2]) * base for line in lines if not line.startswith("#")]


def flash_and_click(frames, at, fps, sample_rate, channels):
    video = torch.zeros(frames, 64, 64, 3, dtype=torch.uint8)
    video[at] = 255
    audio = torch.zeros(channels, round(frames / fps * sample_rate))
    audio[:, round(at / fps * sample_rate)] = 0.9
    return video, audio


def flash_time(path):
    """Return the time of the brightest picture, and of the first one."""
    seen = timestamps(path, "v")
    pictures = np.frombuffer(decoded(path, "v", "-f", "rawvideo", "-pix_fmt", "gray"), np.uint8)
    return seen[pictures.reshape(len(seen), -1).mean(1).argmax()], seen[0]


def click_time(path):
    """Return the time of the loudest sample, and of the first one."""
    start, found = timestamps(path, "a")[0], probe(path).audio
    samples = np.frombuffer(decoded(path, "a", "-f", "f32le"), np.float32)
    loudest = int(np.abs(samples.reshape(-1, found.channels)[:, 0]).argmax())
    return start + Fraction(loudest, found.sample_rate), start


@pytest.mark.parametrize(("sample_rate", "channels"), [(16000, 1), (44100, 2)])
@pytest.mark.parametrize("frames", [32, 33])
@pytest.mark.parametrize("name", SOUNDING)
def test_flash_and_click_stay_together(tmp_path, name, frames, sample_rate, channels):
    fps, at = 16, 21
    video, audio = flash_and_click(frames, at, fps, sample_rate, channels)
    path, _ = written(tmp_path, name, video, audio, sample_rate)
    (flash, first_picture), (click, first_sample) = flash_time(path), click_time(path)
    offset = float(1000 * (click - flash))
    starts = f"{1000 * float(first_picture):.2f} and {1000 * float(first_sample):.2f} ms"
    words = f"{name}: picture and sound start at {starts}, the click comes {offset:.2f} ms late"
    assert abs(first_picture) < Fraction(1, 1000) > abs(first_sample), words
    assert abs(flash - Fraction(at, fps)) < Fraction(1, 1000), words
    assert abs(offset) <= 1000 / (2 * fps), words
    assert abs(offset) < 1.5, words


@pytest.mark.parametrize("late", ["v", "a"])
def test_a_shift_of_a_third_of_a_frame_would_be_seen(tmp_path, late):
    video, audio = flash_and_click(32, 21, 16, RATE, 1)
    path, shifted = written(tmp_path, "mkv_lossless", video, audio)[0], tmp_path / "late.mkv"
    on_time = "a" if late == "v" else "v"
    streams = ["-map", f"0:{on_time}", "-map", f"1:{late}", "-c", "copy", str(shifted)]
    inputs = [*input_arguments(path), "-itsoffset", "0.02", *input_arguments(path)]
    assert run_ffmpeg(["-v", "error", *inputs, *streams]).returncode == 0
    offset = click_time(shifted)[0] - flash_time(shifted)[0]
    assert abs(abs(offset) - Fraction(20, 1000)) < Fraction(1, 1000), offset
    assert (offset > 0) == (late == "a"), offset


@pytest.mark.parametrize("name", NAMES)
def test_round_trip(tmp_path, name):
    video, sound = moving_ramp(33), tone(33 / 16, RATE)
    path, made = written(tmp_path, name, video, sound if name in SOUNDING else None)
    found, seen = probe(path), read_video(path, fps=16, max_frames=99)
    assert (made.frames, found.video.frames, found.video.fps) == (33, 33, 16)
    assert (found.video.height, found.video.width) == (made.height, made.width) == (96, 96)
    assert abs(found.video.seconds - made.seconds) < Fraction(1, 100)
    # A GIF has 256 colours for all of this smooth ramp.
    assert (seen.float() - video.float()).abs().mean() < (6 if name == "gif" else 3)
    assert made.notes == ()
    if name in SOUNDING:
        assert abs(found.audio.seconds - made.seconds) < Fraction(1, 16)
        assert_level(path, [1.0])


@pytest.mark.parametrize("name", SOUNDING)
def test_stereo_keeps_its_sides(tmp_path, name):
    sound = tone(1, 44100)
    path, _ = written(tmp_path, name, moving_ramp(16), torch.stack([sound, sound / 4]), 44100)
    assert_level(path, [1.0, 0.25])


def assert_level(path, gains):
    """Compare the middle of every channel with the half-scale tone times its gain, in dB."""
    heard, rate = read_audio_native(path)
    assert heard.shape[0] == probe(path).audio.channels == len(gains)
    level = heard[:, rate // 4 : 3 * rate // 4].pow(2).mean(1).sqrt()
    decibels = 20 * torch.log10(level / (0.5 / math.sqrt(2)) / torch.tensor(gains))
    assert decibels.abs().max() < 0.5, decibels


@pytest.mark.parametrize("name", NAMES)
def test_odd_sizes(tmp_path, name):
    video, recipe = moving_ramp(3, 95, 97), load_recipe(name)
    path, made = written(tmp_path, name, video)
    seen = read_video(path, fps=16, max_frames=9)
    size = (96, 98) if recipe.even_size else (95, 97)
    assert (made.height, made.width) == seen.shape[1:3] == size
    assert (seen[:, :95, :97].float() - video.float()).abs().mean() < 3
    # The added row and column repeat their neighbours: no dark edge.
    assert (seen[:, -1, -1].float() - video[:, -1, -1].float()).abs().max() < 12
    if name == "mkv_lossless":
        assert torch.equal(seen, video)


def test_lossless_sound_and_pixels(tmp_path):
    generator = torch.Generator().manual_seed(3)
    video = torch.randint(0, 256, (8, 31, 45, 3), dtype=torch.uint8, generator=generator)
    whole = torch.randint(-(2**23), 2**23, (2, 8000), generator=generator)
    path, _ = written(tmp_path, "mkv_lossless", video, whole / 2**23)
    assert torch.equal(read_video(path, fps=16, max_frames=99), video)
    assert torch.equal((read_audio_native(path)[0] * 2**23).long(), whole)


@pytest.mark.parametrize("name", TAGGED)
def test_metadata_comes_back_identical(tmp_path, name):
    texts = ["a=b;c#d\\e", "two\nlines\r\n[x]\t'q' \"Q\"", "é 漢字 😀 }{{ :}", "\0"]
    workflow = {"nodes": texts, "big": 'y\\"\n' * 60_000, "n": [1, 2.5, None, True]}
    tags = {
        "workflow": workflow,
        "prompt": {"3": texts},
        "plain": "é = \\ ; #\r\n[x]\n ",
    }
    path, made = written(tmp_path, name, moving_ramp(2), metadata=tags)
    found = probe(path).tags
    assert made.notes == ()
    assert found["plain"] == tags["plain"]
    assert len(found["workflow"]) > 300_000
    for key in ("workflow", "prompt"):
        assert json.loads(found[key]) == tags[key]
        # ComfyUI's page counts braces to find the end of a WebM file's workflow.
        assert found[key].count("{") == found[key].count("}") == 1


@pytest.mark.parametrize(("name", "text"), [("gif", "a"), ("mp4", "half\0rest"), ("mp4", "\udc80")])
def test_lost_metadata_is_noted(tmp_path, name, text):
    _, made = written(tmp_path, name, moving_ramp(2), metadata={"prompt": text})
    suffix = load_recipe(name).suffix
    assert made.notes == (f"A {suffix} file cannot hold this metadata as given: prompt.",)


@pytest.mark.parametrize("name", NAMES)
def test_same_input_gives_the_same_bytes(tmp_path, name):
    video, sound = moving_ramp(6), tone(6 / 16, RATE) if name in SOUNDING else None
    first = written(tmp_path, name, video, sound, metadata={"seed": 7})[0].read_bytes()
    assert written(tmp_path, name, video, sound, metadata={"seed": 7})[0].read_bytes() == first


@pytest.mark.parametrize("fps", [16, 24, Fraction(24000, 1001), 30, 48, 50])
def test_gif_keeps_its_length(tmp_path, fps):
    path, made = written(tmp_path, "gif", moving_ramp(33, 32, 32), fps=fps)
    times = []
    with Image.open(path) as picture:
        for index in range(picture.n_frames):
            picture.seek(index)
            times.append(picture.info["duration"])
        assert picture.info["loop"] == 0
    assert len(times) == 33
    # Browsers show a frame of less than 20 ms for 100 ms.
    assert min(times) >= 20
    assert abs(sum(times) / 1000 - made.seconds) <= 0.01
    assert abs(probe(path).video.fps / fps - 1) < Fraction(1, 500)


def test_gif_leaves_sound_out_and_refuses_what_players_slow_down(tmp_path):
    _, made = written(tmp_path, "gif", moving_ramp(3), tone(0.2, RATE))
    assert made.notes == ("The recipe gif holds no sound, so it was left out.",)
    assert made.channels == 0
    with pytest.raises(JoVAError, match="gif holds at most 50 frames/s, but 60 came"):
        written(tmp_path, "gif", moving_ramp(3), fps=60)


def test_h265_refuses_pictures_that_its_encoder_cannot_hold(tmp_path):
    assert written(tmp_path, "h265_10bit", moving_ramp(2, 15, 16))[1].height == 16
    words = "needs sides of 16 pixels or more, but 28 x 14 came"
    with pytest.raises(JoVAError, match=words):
        written(tmp_path, "h265_10bit", moving_ramp(2, 7, 14), scale=2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("h265_10bit", ["hevc (Main 10) (hvc1", "yuv420p10le(tv, bt709", "aac"]),
        ("prores", ["prores (Standard) (apcn", "yuv422p10le(tv, bt709", "pcm_s24le"]),
        ("webm", ["vp9", "yuv420p(tv, bt709", "opus, 48000 Hz, mono"]),
    ],
)
def test_streams_are_what_the_title_says(tmp_path, name, words):
    path, _ = written(tmp_path, name, moving_ramp(3), tone(3 / 16, RATE))
    described = run_ffmpeg(input_arguments(path)).stderr.decode()
    assert [word for word in words if word not in described] == []


@pytest.mark.parametrize("channels", range(3, 9))
def test_webm_takes_any_number_of_channels(tmp_path, channels):
    sound = tone(0.25, 48000).expand(channels, -1)
    path, _ = written(tmp_path, "webm", moving_ramp(4, 32, 32), sound, 48000)
    assert probe(path).audio is not None


@pytest.mark.parametrize("name", NAMES)
def test_recipe_facts(name):
    recipe = load_recipe(name)
    assert recipe.browser == (name in BROWSER)
    # Read back by the page's own parser of MP4, QuickTime and WebM boxes; it knows no Matroska.
    assert recipe.drag == (recipe.suffix in {".mp4", ".mov", ".webm"})
    assert recipe.title
    assert not recipe.title.endswith(".")
    encoders = run_ffmpeg(["-encoders"]).stdout.decode().split()
    used = [recipe.video_args[1], *recipe.audio_args[1:2]]
    assert set(used) <= set(encoders), ffmpeg_exe()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"browser": "yes"}, "mp4 has browser = 'yes'; it must be true or false"),
        ({"max_fps": True}, "max_fps = True; it must be a whole number"),
        ({"video_args": "-c:v"}, "video_args = '-c:v'; it must be texts"),
        ({"audio_args": ["-b:a", 192]}, "it must be texts"),
        ({"title": None}, "it must be text"),
        ({"crf": 16}, "unknown field crf"),
    ],
)
def test_wrong_recipe_is_named(tmp_path, monkeypatch, change, match):
    entries = json.loads(recipes._FILE.read_text())
    entries["mp4"] |= change
    refused_file(tmp_path, monkeypatch, json.dumps(entries), match)


def test_incomplete_recipe_file_is_named(tmp_path, monkeypatch):
    refused_file(tmp_path, monkeypatch, '{"mp4": {}}', "lacks the field audio_args")
    refused_file(tmp_path, monkeypatch, "{", "cannot be read")


def refused_file(folder, monkeypatch, text, match):
    """Put `text` in the place of the recipe file and expect one sentence."""
    monkeypatch.setattr(recipes, "_FILE", folder / "recipes.json")
    recipes._FILE.write_text(text)
    with pytest.raises(JoVAError, match=match) as caught:
        recipe_names()
    assert str(caught.value).endswith(".")
