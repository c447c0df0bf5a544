"""Files are read as they are meant; a wrong one gets one clear sentence."""

import math
import shutil
from fractions import Fraction

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from jova_core.errors import JoVAError
from jova_core.media import (
    fit_image,
    probe,
    read_audio,
    read_audio_native,
    read_image,
    read_video,
    resample,
    write_clip,
)


def clip(path, frames=8, audio=True, recipe="mp4"):
    video = torch.zeros(frames, 32, 48, 3, dtype=torch.uint8)
    video += (torch.arange(frames) * 20)[:, None, None, None].to(torch.uint8)
    sound = 0.3 * torch.sin(torch.arange(1000 * frames) * 0.3) if audio else None
    write_clip(path, video, sound, fps=16, sample_rate=16000, recipe=recipe)
    return path


def tone(rate, hertz=440.0, seconds=0.5):
    return 0.5 * torch.sin(2 * math.pi * hertz * torch.arange(round(rate * seconds)) / rate)


def test_transparent_picture_lies_on_white(tmp_path):
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[:, :3] = (255, 0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.dtype == torch.uint8
    assert image[0, 0].tolist() == [255, 0, 0]
    assert image[0, 5].tolist() == [255, 255, 255]


def test_exif_orientation_is_applied(tmp_path):
    picture = Image.new("RGB", (8, 4))
    picture.getexif()[0x0112] = 6
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (8, 4, 3)


def test_sixteen_bit_grey_and_palette(tmp_path):
    grey = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert (read[..., 0].numpy() - np.rint(grey / 257)).max() == 0
    Image.new("P", (3, 2)).save(tmp_path / "b.gif")
    assert read_image(tmp_path / "b.gif").shape == (2, 3, 3)
    Image.new("CMYK", (3, 2)).save(tmp_path / "c.jpg")
    assert read_image(tmp_path / "c.jpg").shape == (2, 3, 3)


@pytest.mark.parametrize("shape", [(60, 20), (20, 60), (40, 40), (1, 1), (500, 333)])
def test_fit_image_covers_and_keeps_the_centre(shape):
    image = torch.zeros(*shape, 3, dtype=torch.uint8)
    image[..., 0] = torch.linspace(0, 255, shape[1]).to(torch.uint8)
    fitted = fit_image(image, 24, 48)
    assert fitted.shape == (24, 48, 3)
    if shape[1] > 1:
        middle = fitted[12, 23:25, 0].float().mean().item()
        assert middle == pytest.approx(127, abs=4)


def test_fit_image_antialiases_and_returns_exact_sizes_unchanged():
    checks = torch.zeros(96, 96, 3, dtype=torch.uint8)
    checks[::2, ::2] = 255
    checks[1::2, 1::2] = 255
    inner = fit_image(checks, 16, 16)[2:-2, 2:-2].float()
    assert (inner - 127.5).abs().max() < 12
    assert torch.equal(fit_image(checks, 96, 96), checks)
    with pytest.raises(JoVAError, match="uint8"):
        fit_image(checks.float(), 16, 16)
    with pytest.raises(JoVAError, match="0 x 16"):
        fit_image(checks, 0, 16)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 44101])
def test_resampled_tone_is_the_tone(rate):
    heard = resample(tone(rate), rate, 16000)
    want = tone(16000)
    assert heard.shape[-1] == math.ceil(round(rate * 0.5) * 16000 / rate)
    inner = slice(400, 7500)
    assert (heard[inner] - want[inner]).abs().max() < 2e-3


def test_resampling_removes_what_does_not_fit_and_keeps_time():
    high = resample(tone(48000, hertz=10000), 48000, 16000)
    assert high[400:-400].abs().max() < 1e-3
    click = torch.zeros(2, 48000)
    click[:, 30000] = 1
    assert resample(click, 48000, 16000).abs().argmax(-1).tolist() == [10000, 10000]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_sound_files(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    stereo = torch.stack([tone(32000), torch.zeros(16000)])
    soundfile.write(path, stereo.T.numpy(), 32000)
    native, rate = read_audio_native(path)
    assert (native.shape[0], rate) == (2, 32000)
    mono = read_audio(path, 16000)
    assert mono.dtype == torch.float32
    assert abs(len(mono) - 8000) < 700
    middle = mono[2000:6000]
    # A sound in one of two channels keeps its level.
    assert middle.std().item() == pytest.approx(0.5 / math.sqrt(2), rel=0.05)


def test_sound_of_a_video_and_of_a_misnamed_file(tmp_path):
    path = clip(tmp_path / "a.mp4")
    shutil.copy(path, tmp_path / "b.wav")
    native, rate = read_audio_native(path)
    assert (native.shape[0], rate) == (1, 16000)
    assert abs(native.shape[1] - 8000) < 1000
    assert torch.equal(read_audio_native(tmp_path / "b.wav")[0], native)


def test_video_at_other_rates_and_sizes(tmp_path):
    path = clip(tmp_path / "a.mp4", frames=16)
    assert read_video(path, fps=8, max_frames=99).shape == (8, 32, 48, 3)
    assert read_video(path, fps=Fraction(32), max_frames=10).shape[0] == 10
    assert read_video(path, fps=16, max_frames=4, height=24, width=24).shape == (4, 24, 24, 3)
    seen = read_video(path, fps=16, max_frames=99).float().mean((1, 2, 3))
    assert (seen[:12] - torch.arange(12) * 20).abs().max() < 4


def test_probe_names_streams(tmp_path):
    info = probe(clip(tmp_path / "a.mp4"))
    assert (info.video.width, info.video.height, info.video.frames) == (48, 32, 8)
    assert (info.video.codec, info.audio.codec) == ("h264", "aac")
    assert (info.audio.sample_rate, info.audio.channels) == (16000, 1)
    assert info.seconds == Fraction(1, 2)
    soundfile.write(tmp_path / "six.wav", np.zeros((800, 6)), 8000)
    sound = probe(tmp_path / "six.wav")
    assert sound.video is None
    assert (sound.audio.channels, sound.audio.seconds) == (6, Fraction(1, 10))
    assert probe(clip(tmp_path / "b.mkv", recipe="mkv_lossless")).video.fps == 16


def bad_files(folder):
    """Make every kind of wrong file; returns their paths by name."""
    (folder / "text.png").write_text("hello")
    (folder / "text.wav").write_text("hello")
    (folder / "text.mp4").write_text("hello")
    (folder / "empty.png").touch()
    (folder / "folder.mp4").mkdir()
    Image.effect_noise((64, 64), 90).save(folder / "whole.png")
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:200])
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\ntext.mp4\n#EXT-X-ENDLIST\n")
    soundfile.write(folder / "sound.wav", np.zeros(800), 8000)
    soundfile.write(folder / "none.wav", np.zeros(0), 8000)
    soundfile.write(folder / "nan.wav", np.full(9, np.nan), 8000, subtype="FLOAT")
    clip(folder / "mute.mp4", audio=False)
    whole = clip(folder / "ok.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[:400])


@pytest.mark.parametrize(
    ("reader", "name", "match"),
    [
        ("image", "text.png", "cannot be read as a picture"),
        ("image", "cut.png", "cannot be read as a picture"),
        ("image", "ok.mp4", "cannot be read as a picture"),
        ("image", "empty.png", "is empty"),
        ("image", "folder.mp4", "is a folder"),
        ("image", "absent.png", "does not exist"),
        ("image", "x" * 300, "cannot be opened"),
        ("audio", "text.wav", "not a media file"),
        ("audio", "mute.mp4", "no sound stream"),
        ("audio", "none.wav", "0 samples"),
        ("audio", "nan.wav", "NaN"),
        ("audio", "whole.png", "not a media file"),
        ("audio", "absent.wav", "does not exist"),
        ("video", "text.mp4", "not a media file"),
        ("video", "cut.mp4", "damaged or unfinished"),
        ("video", "whole.png", "not a media file"),
        ("video", "list.m3u8", "not a media file"),
        ("video", "sound.wav", "no video stream"),
        ("video", "folder.mp4", "is a folder"),
        ("video", "empty.png", "is empty"),
    ],
)
def test_wrong_file_gets_one_sentence(wrong_files, reader, name, match):
    readers = {
        "image": read_image,
        "audio": lambda path: read_audio(path, 16000),
        "video": lambda path: read_video(path, fps=16, max_frames=9),
    }
    with pytest.raises(JoVAError, match=match) as caught:
        readers[reader](wrong_files / name)
    message = str(caught.value)
    assert name in message
    assert "\n" not in message
    assert message.endswith(".")
    assert "give " in message or "export it again" in message


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")
    bad_files(folder)
    return folder


def test_impossible_requests(tmp_path):
    path = clip(tmp_path / "a.mp4")
    with pytest.raises(JoVAError, match="0 frames"):
        read_video(path, fps=16, max_frames=0)
    with pytest.raises(JoVAError, match="sample rate 0"):
        read_audio(path, 0)
