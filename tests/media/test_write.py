"""Written clips are whole, in sync and deterministic; a failure leaves nothing behind."""

import json
import stat
from fractions import Fraction

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.media import (
    FrameStream,
    probe,
    read_audio_native,
    read_image,
    read_video,
    write_clip,
)
from jova_core.media.recipes import load_recipe, recipe_names


def picture(frames=5, height=24, width=48, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, height, width, 3), dtype=torch.uint8, generator=generator)


def flash_and_click(frames, at, fps, sample_rate):
    video = torch.zeros(frames, 32, 32, 3, dtype=torch.uint8)
    video[at] = 255
    audio = torch.zeros(round(frames / fps * sample_rate))
    audio[round(at / fps * sample_rate)] = 0.9
    return video, audio


@pytest.mark.parametrize(
    ("recipe", "fps", "sample_rate"),
    [
        ("mp4", Fraction(16), 16000),
        ("mp4", Fraction(24000, 1001), 44100),
        ("mp4", Fraction(25), 48000),
        ("mkv_lossless", Fraction(16), 16000),
    ],
)
def test_flash_and_click_stay_together(tmp_path, recipe, fps, sample_rate):
    at = 11
    video, audio = flash_and_click(33, at, fps, sample_rate)
    path = tmp_path / f"clip{load_recipe(recipe).suffix}"
    written = write_clip(path, video, audio, fps=fps, sample_rate=sample_rate, recipe=recipe)
    seen = read_video(path, fps=fps, max_frames=100)
    heard, rate = read_audio_native(path)
    flash = seen.float().mean((1, 2, 3)).argmax().item() / fps
    click = heard[0].abs().argmax().item() / rate
    assert seen.shape[0] == written.frames == 33
    assert rate == sample_rate
    assert abs(flash - click) <= 1 / (2 * fps)
    assert abs(click - at / fps) <= 2 / sample_rate


@pytest.mark.parametrize("frames", [1, 2, 33, 65])
@pytest.mark.parametrize("recipe", ["mp4", "mkv_lossless"])
def test_stream_lengths_agree(tmp_path, frames, recipe):
    path = tmp_path / f"clip{load_recipe(recipe).suffix}"
    audio = torch.rand(1000 * frames) - 0.5
    write_clip(path, picture(frames), audio, fps=16, sample_rate=16000, recipe=recipe)
    info = probe(path)
    heard, _ = read_audio_native(path)
    assert info.video.frames == frames
    assert info.video.fps == 16 or frames < 3
    assert abs(info.video.seconds - info.audio.seconds) < Fraction(1, 16)
    assert abs(heard.shape[-1] - 1000 * frames) < 1000


def test_lossless_recipe_keeps_every_pixel_and_sample(tmp_path):
    path = tmp_path / "clip.mkv"
    video = picture(6, 23, 37)
    audio = (torch.rand(2, 6000, generator=torch.Generator().manual_seed(1)) * 2 - 1) * 0.99
    audio = (audio * 2**23).round() / 2**23
    written = write_clip(path, video, audio, fps=16, sample_rate=16000, recipe="mkv_lossless")
    heard, rate = read_audio_native(path)
    assert torch.equal(read_video(path, fps=16, max_frames=99), video)
    assert torch.equal(heard, audio)
    assert (rate, written.channels, written.notes) == (16000, 2, ())


def test_mono_stays_mono_at_its_level(tmp_path):
    path = tmp_path / "clip.mp4"
    tone = 0.5 * torch.sin(torch.arange(33000) * 0.2)
    write_clip(path, picture(33), tone, fps=16, sample_rate=16000)
    heard, _ = read_audio_native(path)
    middle = slice(4000, 28000)
    assert heard.shape[0] == 1
    assert heard[0, middle].std().item() == pytest.approx(tone[middle].std().item(), rel=0.02)


def test_smooth_picture_survives_h264(tmp_path):
    path = tmp_path / "clip.mp4"
    ramp = torch.linspace(0, 255, 96)
    frame = torch.stack([ramp.expand(96, 96), ramp.flip(0).expand(96, 96), 0 * ramp.expand(96, 96)])
    video = frame.permute(1, 2, 0).to(torch.uint8).expand(9, 96, 96, 3).contiguous()
    write_clip(path, video, None, fps=16, sample_rate=16000)
    error = (read_video(path, fps=16, max_frames=9).float() - video.float()).abs()
    assert error.mean().item() < 2.5
    assert probe(path).audio is None


def test_same_input_gives_the_same_bytes(tmp_path):
    video, audio = picture(9), torch.rand(9000) - 0.5
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, video, audio, fps=16, sample_rate=16000, metadata={"seed": 7})
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(("scale", "size"), [(1, (36, 50)), (2, (70, 98)), (3, (106, 148))])
def test_odd_sizes_and_enlargement(tmp_path, scale, size):
    path = tmp_path / "clip.mp4"
    video = torch.full((3, 35, 49, 3), 200, dtype=torch.uint8)
    written = write_clip(path, video, None, fps=16, sample_rate=16000, scale=scale)
    seen = read_video(path, fps=16, max_frames=9)
    assert (written.height, written.width) == size
    assert seen.shape == (3, *size, 3)
    # The added row and column repeat their neighbours: no dark edge.
    assert (seen.float() - 200).abs().max() < 4


def test_length_rule_and_clipping_are_noted(tmp_path):
    video, path = picture(16), tmp_path / "clip.mkv"
    options = {"fps": 16, "sample_rate": 16000, "recipe": "mkv_lossless"}
    long = write_clip(path, video, torch.full((20000,), 0.25), **options)
    assert "0.250 s longer" in long.notes[0]
    assert read_audio_native(path)[0].shape == (1, 16000)
    short = write_clip(path, video, torch.full((8000,), 1.5), **options)
    heard = read_audio_native(path)[0]
    assert "peak 1.50" in short.notes[0]
    assert "0.500 s shorter" in short.notes[1]
    assert heard.max() <= 1
    assert heard[0, 8000:].abs().max() == 0


def test_metadata_is_read_back(tmp_path):
    path = tmp_path / "clip.mp4"
    workflow = {"nodes": ["a=b;c#d\\e", "two\nlines [x]"], "big": "y" * 200_000}
    tags = {"workflow": workflow, "prompt": "[first] é = 1\nsecond"}
    write_clip(path, picture(2), None, fps=16, sample_rate=16000, metadata=tags)
    found = probe(path).tags
    assert found["prompt"] == tags["prompt"]
    assert json.loads(found["workflow"]) == workflow


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_one_frame_becomes_a_picture(tmp_path, suffix):
    path = tmp_path / f"frame{suffix}"
    frame = torch.full((1, 10, 12, 3), 90, dtype=torch.uint8)
    written = write_clip(path, frame, None, fps=16, sample_rate=16000, scale=2, metadata={"a": 1})
    seen = read_image(path)
    assert seen.shape == (20, 24, 3)
    assert (seen.float() - 90).abs().max() <= 2
    assert written.frames == 1
    assert len(written.notes) == (suffix == ".jpg")


def refused(folder, match, *, name="clip.mp4", frames=None, audio=None, **options):
    """Call write_clip, expect one sentence and an unchanged folder."""
    before = sorted(folder.rglob("*"))
    options = {"fps": 16, "sample_rate": 16000, **options}
    with pytest.raises(JoVAError, match=match) as caught:
        write_clip(folder / name, picture() if frames is None else frames, audio, **options)
    assert sorted(folder.rglob("*")) == before
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_bad_streams_are_named(tmp_path):
    pixels = torch.zeros(2, 8, 8, 3)
    refused(tmp_path, "video stream holds NaN", frames=pixels / 0)
    refused(tmp_path, "must be uint8", frames=pixels)
    refused(tmp_path, "must be uint8", frames=picture()[0])
    refused(tmp_path, "empty", frames=picture()[:0])
    refused(tmp_path, "5000 channels", audio=torch.zeros(5000, 2))
    refused(tmp_path, "must be float", audio=torch.zeros(5000, dtype=torch.int16))


def test_bad_options_are_named(tmp_path):
    refused(tmp_path, "frame rate 0 ", fps=0)
    refused(tmp_path, "frame rate 16.0 ", fps=16.0)
    refused(tmp_path, "sample rate -1 ", audio=torch.zeros(5000), sample_rate=-1)
    refused(tmp_path, "enlargement 0 ", scale=0)
    refused(tmp_path, "choose one of: mp4, mkv_lossless", recipe="vhs")
    refused(tmp_path, "ends in '.mkv'", name="clip.mkv")
    refused(tmp_path, "has no suffix", name="clip")
    refused(tmp_path, "5 frames came", name="clip.png")
    refused(tmp_path, "with sound", name="clip.png", frames=picture(1), audio=torch.zeros(1000))
    refused(tmp_path, "JSON", metadata={"a": object()})


def test_bad_places_are_named(tmp_path):
    (tmp_path / "taken.mp4").mkdir()
    (tmp_path / "file").write_text("x")
    refused(tmp_path, "does not exist", name="missing/clip.mp4")
    refused(tmp_path, "does not exist", name="file/clip.mp4")
    refused(tmp_path, "is a folder", name="taken.mp4")
    refused(tmp_path, "could not be written", name="x" * 300 + ".mp4")


def test_folder_without_permission(tmp_path, monkeypatch):
    def deny(*args, **options):
        raise PermissionError(13, "Permission denied")

    # Patched rather than chmod'ed: root, as in containers, may write anywhere.
    monkeypatch.setattr("jova_core.files.os.open", deny)
    refused(tmp_path, "cannot be written to")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ("av_interleaved_write_frame(): No space left on device", "disk is full"),
        ("[libx264 @ 0x1] Error setting profile high.", "ffmpeg: Error setting profile high"),
    ],
)
def test_failing_ffmpeg_leaves_nothing(tmp_path, monkeypatch, words, match):
    program, folder = tmp_path / "ffmpeg", tmp_path / "out"
    program.write_text(
        '#!/bin/sh\nfor last; do :; done\necho half > "${last#file:}"\n'
        f"cat > /dev/null\necho '{words}' >&2\nexit 1\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    folder.mkdir()
    (folder / "clip.mp4").write_text("an older clip")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    refused(folder, match, audio=torch.zeros(5000))
    assert (folder / "clip.mp4").read_text() == "an older clip"


def test_missing_ffmpeg_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nothing"))
    refused(tmp_path, "cannot be started")


def test_interrupted_ffmpeg_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("jova_core.media.ffmpeg.subprocess.Popen", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_clip(tmp_path / "clip.mp4", picture(), None, fps=16, sample_rate=16000)
    assert list(tmp_path.iterdir()) == []


def test_truncated_output_is_not_accepted(tmp_path, monkeypatch):
    from jova_core.media import write

    def encode_less(job, recipe, target):
        from dataclasses import replace

        return original(replace(job, frames=FrameStream.of(picture(4))), recipe, target)

    original = write.encode
    monkeypatch.setattr(write, "encode", encode_less)
    refused(tmp_path, "4 of 5 frames")


def pieces(*lengths, then=None):
    """A stream of pictures in pieces of these lengths, all of one film; then an exception."""
    film, start = picture(sum(lengths)), 0
    for length in lengths:
        yield film[start : start + length]
        start += length
    if then is not None:
        raise then


def test_a_stream_is_written_as_the_whole_is(tmp_path):
    whole, parts = tmp_path / "whole.mkv", tmp_path / "parts.mkv"
    film = picture(9)
    options = {"fps": 16, "sample_rate": 16000, "recipe": "mkv_lossless"}
    height, width = film.shape[1:3]
    came = FrameStream(count=9, height=height, width=width, chunks=film.split(4))
    tone = torch.linspace(-0.5, 0.5, 9000)
    assert write_clip(parts, came, tone, **options).frames == 9
    write_clip(whole, film, tone, **options)
    assert parts.read_bytes() == whole.read_bytes()
    first = FrameStream.of(film[:1])
    written = write_clip(tmp_path / "first.png", first, None, fps=16, sample_rate=1)
    assert (written.height, written.width) == (height, width)


def test_a_stream_that_breaks_leaves_nothing(tmp_path):
    def broken(match, **changes):
        height, width = picture(1).shape[1:3]
        fields = {"count": 5, "height": height, "width": width, **changes}
        with pytest.raises(JoVAError, match=match):
            write_clip(tmp_path / "a.mp4", FrameStream(**fields), None, fps=16, sample_rate=16000)
        assert list(tmp_path.iterdir()) == []

    broken("5 frames, but 4 came", chunks=pieces(2, 2))
    broken("5 frames, but 8 came", chunks=pieces(4, 4))
    broken("A chunk of the video stream is torch.float32", chunks=[picture(5).float()])
    broken("A chunk of the video stream", chunks=[picture(5)[:, :-1]])
    broken("look at the latents", chunks=pieces(2, then=JoVAError("look at the latents")))
    broken("is empty", count=0, chunks=[])


def test_ffmpeg_that_ends_in_the_middle_is_told(tmp_path, monkeypatch):
    """Nobody waits for a program that takes no more pictures."""
    program = tmp_path / "ffmpeg"
    said = "head -c 100 > /dev/null\necho 'Error: out of ideas' >&2\nexit 3\n"
    program.write_text("#!/bin/sh\n" + said)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    film = torch.zeros(64, 256, 256, 3, dtype=torch.uint8)
    came = FrameStream(count=640, height=256, width=256, chunks=(film for _ in range(10)))
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(JoVAError, match="out of ideas"):
        write_clip(folder / "a.mp4", came, None, fps=16, sample_rate=16000)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_complete(name):
    recipe = load_recipe(name)
    assert recipe.suffix.startswith(".")
    assert recipe.video_args[0] == "-c:v"
