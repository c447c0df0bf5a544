"""Which stream is read, from when to when, and how memory goes."""

import subprocess
import sys
from fractions import Fraction

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.media import load_audio, probe, read_audio_native, read_video, stream_video

from .inputs import CASES, bars, made, needs_cases, raw

X264 = ["-c:v", "libx264", "-preset", "ultrafast"]


def colour(name, seconds=1, fps=10):
    return ["-f", "lavfi", "-i", f"color={name}:s=64x48:r={fps}:d={seconds}"]


def sine(hertz, seconds=1):
    return ["-f", "lavfi", "-i", f"sine={hertz}:r=16000:d={seconds}"]


def pitch(samples, rate):
    """The strongest frequency in Hz."""
    return float(torch.fft.rfft(samples).abs()[1:].argmax() + 1) * rate / len(samples)


@needs_cases
def test_the_shared_edit_list():
    found = probe(CASES / "editlist_trim.mp4")
    assert found.video.seconds == found.audio.seconds == found.seconds == Fraction(33, 10)
    assert found.video.frames == 99
    assert abs(read_audio_native(CASES / "editlist_trim.mp4")[0].shape[1] - 158_400) < 1100
    assert len(read_video(CASES / "editlist_trim.mp4", fps=30, max_frames=200)) == 99


@pytest.mark.parametrize("start", [0.35, 0.7])
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_cut_without_new_coding_is_as_long_as_players_show(tmp_path, start, suffix):
    """Copied from within a group of pictures: what lies before is decoded and not shown."""
    source = [*colour("red", 2), *sine(440, 2), *X264, "-g", "100", "-c:a", "aac"]
    whole = made(tmp_path / "a.mp4", *source)
    cut = made(tmp_path / f"b.{suffix}", "-ss", start, "-i", whole, "-c", "copy")
    assert abs(float(probe(cut).video.seconds) - (2 - start)) < 0.11
    assert abs(float(probe(cut).audio.seconds) - (2 - start)) < 0.08
    assert abs(len(read_video(cut, fps=10, max_frames=99)) - 10 * (2 - start)) <= 1


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_the_default_tracks_are_taken(tmp_path, suffix):
    inputs = [*colour("red"), *colour("blue"), *sine(300), *sine(900)]
    maps = ["-map", "0:v", "-map", "1:v", "-map", "2:a", "-map", "3:a"]
    flags = ["-disposition:v:0", "0", "-disposition:v:1", "default"]
    flags += ["-disposition:a:0", "0", "-disposition:a:1", "default"]
    path = made(tmp_path / f"a.{suffix}", *inputs, *maps, *X264, "-c:a", "aac", *flags)
    red, _, blue = read_video(path, fps=10, max_frames=1)[0, 20, 20].tolist()
    assert blue > 200 > 50 > red
    samples, rate = read_audio_native(path)
    assert abs(pitch(samples[0], rate) - 900) < 10
    assert probe(path).video.index == 1


def test_a_cover_is_not_the_video(tmp_path):
    cover = made(tmp_path / "c.png", *colour("green"), "-frames:v", "1")
    inputs = ["-i", cover, *colour("red"), *sine(300)]
    maps = ["-map", "0", "-map", "1:v", "-map", "2:a", "-c:v:0", "png", "-c:v:1", "libx264"]
    flags = ["-disposition:v:0", "attached_pic", "-c:a", "aac"]
    path = made(tmp_path / "a.mp4", *inputs, *maps, *flags)
    assert probe(path).video.frames == 10
    sound = made(tmp_path / "s.mp3", *sine(300), "-i", cover, "-map", "0", "-map", "1")
    assert probe(sound).video is None
    with pytest.raises(JoVAError, match="no video stream"):
        read_video(sound, fps=8, max_frames=8)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov", "ts"])
def test_a_sound_that_starts_later_has_silence_in_front(tmp_path, suffix):
    late = ["-itsoffset", "0.5", *sine(440)]
    path = made(tmp_path / f"a.{suffix}", *colour("red", 2), *late, *X264, "-c:a", "aac")
    samples, rate = read_audio_native(path)
    loud = (samples[0].abs() > 0.02).nonzero()[0].item() / rate
    assert abs(loud - 0.5) < 0.03
    assert abs(float(probe(path).audio.seconds) - 1.5) < 0.08


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_pictures_that_start_later_begin_with_the_first(tmp_path, suffix):
    inputs = [*sine(440, 2), "-itsoffset", "0.5", *colour("red", 1)]
    path = made(tmp_path / f"a.{suffix}", *inputs, *X264, "-c:a", "aac")
    found = probe(path)
    assert abs(found.video.seconds - Fraction(3, 2)) < Fraction(1, 50)
    assert found.video.fps == 10
    assert len(read_video(path, fps=10, max_frames=99)) == 15
    assert abs(read_audio_native(path)[0].shape[1] - 32_000) < 1100


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.h264", "libx264"), ("a.m2v", "mpeg2video"), ("a.avi", "mpeg4"), ("a.ivf", "libvpx")],
)
def test_packets_without_times(tmp_path, name, codec):
    path = made(tmp_path / name, *colour("red", 1, fps=25), "-c:v", codec, "-bf", "0")
    found = probe(path).video
    assert (found.frames, found.fps, found.seconds) == (25, 25, 1)
    assert len(read_video(path, fps=25, max_frames=99)) == 25


def test_b_frames_without_times(tmp_path):
    path = made(tmp_path / "a.avi", *colour("red", 1, fps=25), "-c:v", "mpeg4", "-bf", "2")
    assert probe(path).video.seconds == 1


def test_a_video_is_streamed_at_its_own_rate_and_held_at_its_end(tmp_path):
    path = made(tmp_path / "a.mp4", *raw(tmp_path, bars()[None].repeat(6, 0), fps=12), *X264)
    stream = stream_video(path, frames=9)
    assert sum(len(chunk) for chunk in stream.checked()) == 9
    assert (stream.height, stream.width) == (64, 256)


PEAK = """
import sys, torch
from jova_core.media import read_video
torch.set_num_threads(1)
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(l for l in lines if l.startswith("VmHWM")).split()[1]) * 1024
read_video(sys.argv[1], fps=30, max_frames=1)
before = peak()
frames = read_video(sys.argv[1], fps=30, max_frames=9999)
small = read_video(sys.argv[1], fps=30, max_frames=9999, height=32, width=32)
print(peak() - before - frames.numel())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
def test_no_frame_is_held_twice(tmp_path):
    source = ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=3"]
    path = made(tmp_path / "a.mp4", *source, *X264)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 40 * 2**20, "90 frames have 237 MiB"


def test_of_a_long_sound_only_what_is_asked_for_is_held(tmp_path):
    made(tmp_path / "a.mp4", *sine(440, 60), "-c:a", "aac")
    made(tmp_path / "a.wav", *sine(440, 60))
    for name in ("a.mp4", "a.wav"):
        found = load_audio(tmp_path / name, max_seconds=2)
        assert abs(found.samples.shape[1] - 32_000) < 1100
