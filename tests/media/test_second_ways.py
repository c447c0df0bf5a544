"""What one library does not read another does; what none reads is called by its own name."""

import io
import struct

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image, ImageCms

from jova_core.errors import JoVAError
from jova_core.media import load_audio, probe, read_audio, read_image, read_video

from .inputs import CASES, COLOURS, bars, colours_of, made, needs_cases

ROWS = [[200, 30, 30], [30, 200, 30], [30, 30, 200], [200, 140, 110]]


@needs_cases
@pytest.mark.parametrize(("name", "samples"), [("stream_unknown_length.flac", 19_200)])
def test_shared_sounds_without_a_length(name, samples):
    assert load_audio(CASES / name).samples.shape == (1, samples)
    assert load_audio(CASES / "header_zero_length.wav").samples.shape == (1, 24_000)


@needs_cases
def test_shared_pictures():
    for name in ("display_p3.jpg", "png_ztxt_2mb.png"):
        seen = read_image(CASES / name)[[15, 15, 45, 45], [20, 60, 20, 60]].int()
        assert (seen - torch.tensor(ROWS)).abs().max() < 4
    for reader in (read_image, probe):
        with pytest.raises(JoVAError, match="HEIC picture"):
            reader(CASES / "heic_header.heic")


def profiled(primaries):
    """An ICC profile with a gamma of 2.2, made by hand: Pillow makes sRGB only."""
    tags, body = [], b""

    def add(name, data):
        nonlocal body
        tags.append((name, 128 + 4 + 12 * 7 + len(body), len(data)))
        body += data + b"\0" * (-len(data) % 4)

    def xyz(values):
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * v) for v in values))

    for name, values in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True):
        add(name, xyz(values))
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        add(name, b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)))
    add(b"wtpt", xyz((0.9642, 1.0, 0.8249)))
    table = struct.pack(">I", len(tags)) + b"".join(
        n + struct.pack(">II", a, b) for n, a, b in tags
    )
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body


ADOBE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("alpha", [False, True])
def test_a_picture_of_another_colour_space_becomes_srgb(tmp_path, suffix, alpha):
    profile = profiled(ADOBE)
    to_adobe = ImageCms.profileToProfile(
        Image.fromarray(bars()),
        ImageCms.createProfile("sRGB"),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        renderingIntent=1,
    )
    if alpha and suffix != ".jpg":
        to_adobe.putalpha(255)
    how = {".webp": {"lossless": True}, ".jpg": {"quality": 100, "subsampling": 0}}.get(suffix, {})
    to_adobe.save(tmp_path / f"a{suffix}", icc_profile=profile, **how)
    assert abs(colours_of(read_image(tmp_path / f"a{suffix}")) - COLOURS).max() <= 6


def test_a_profile_that_does_not_fit_is_passed_over(tmp_path):
    Image.fromarray(bars()).save(tmp_path / "a.png", icc_profile=b"no profile at all")
    grey = Image.fromarray(bars()).convert("L")
    grey.save(tmp_path / "b.png", icc_profile=profiled(ADOBE))
    assert abs(colours_of(read_image(tmp_path / "a.png")) - COLOURS).max() == 0
    assert read_image(tmp_path / "b.png").shape == (64, 256, 3)


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_exif_orientation(tmp_path, turn):
    picture = np.zeros((24, 32, 3), np.uint8)
    picture[:12, :16], picture[:12, 16:], picture[12:, :16] = [255, 0, 0], [0, 255, 0], [0, 0, 255]
    shown = [0, lambda p: p, np.fliplr, lambda p: np.rot90(p, 2), np.flipud]
    shown += [lambda p: p.transpose(1, 0, 2), lambda p: np.rot90(p, -1)]
    shown += [lambda p: np.rot90(p, 2).transpose(1, 0, 2), np.rot90]
    exif = Image.Exif()
    exif[0x0112] = turn
    for name in ("a.png", "a.webp"):
        Image.fromarray(picture).save(tmp_path / name, exif=exif, lossless=True)
        assert np.array_equal(read_image(tmp_path / name), shown[turn](picture)), name


@pytest.mark.parametrize(
    ("name", "form", "error"),
    [
        ("a.tif", "rgb48le", 1),
        ("a.png", "rgb48be", 1),
        ("a.jxl", "rgb24", 6),
        ("b.png", "rgba64be", 1),
    ],
)
def test_deep_and_newer_pictures(tmp_path, name, form, error):
    Image.fromarray(bars()).save(tmp_path / "plain.png")
    made(tmp_path / name, "-i", tmp_path / "plain.png", "-pix_fmt", form, "-frames:v", "1")
    assert abs(colours_of(read_image(tmp_path / name)) - COLOURS).max() <= error


def test_avif_and_cmyk(tmp_path):
    Image.fromarray(bars()).save(tmp_path / "a.avif", quality=95)
    assert abs(colours_of(read_image(tmp_path / "a.avif")) - COLOURS).max() < 8
    Image.fromarray(bars()).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    assert abs(colours_of(read_image(tmp_path / "a.jpg")) - COLOURS).max() < 8


@pytest.mark.parametrize("chunk", ["tEXt", "iTXt"])
def test_a_png_with_a_large_text(tmp_path, chunk):
    from PIL.PngImagePlugin import PngInfo

    info, text = PngInfo(), "x" * 70_000_000
    (info.add_itxt if chunk == "iTXt" else info.add_text)("workflow", text, zip=True)
    Image.fromarray(bars()).save(tmp_path / "a.png", pnginfo=info)
    assert abs(colours_of(read_image(tmp_path / "a.png")) - COLOURS).max() == 0


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64, "HEIC pictures are not supported"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0", "raw pictures are not supported"),
        (b"v/1\x01" + b"\0" * 64, "OpenEXR pictures are not supported"),
        (b"%PDF-1.7\n", "PDF documents are not supported"),
        (b"<?xml version='1.0'?>\n<!-- a -->\n<svg xmlns='x'/>", "SVG drawings are not supported"),
        (b"PK\x03\x04" + b"\0" * 64, "archives are not supported"),
        (b"#EXTM3U\n#EXTINF:1,\na.ts\n", "playlists are not supported; give one of the media"),
        (b"<?xml version='1.0'?>\n<MPD xmlns='x'>", "playlists are not supported"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(tmp_path, head, name):
    path = tmp_path / "a.png"
    path.write_bytes(head)
    with pytest.raises(JoVAError, match=name):
        read_image(path)
    with pytest.raises(JoVAError, match="is not a media file but a"):
        read_video(path, fps=8, max_frames=1)


def test_animated_pictures_are_videos(tmp_path):
    frames = [Image.fromarray(np.full((32, 48, 3), 60 * i, np.uint8)) for i in range(4)]
    for name in ("a.webp", "a.png", "a.gif", "a.avif"):
        how = {"save_all": True, "append_images": frames[1:], "duration": 100}
        frames[0].save(tmp_path / name, **how, **({"lossless": True} if name == "a.webp" else {}))
        seen = read_video(tmp_path / name, fps=10, max_frames=9).float().mean((1, 2, 3))
        assert len(seen) == 4, name
        assert abs(seen - torch.tensor([0.0, 60, 120, 180])).max() < 8, name


@pytest.mark.parametrize("suffix", ["mp4", "mov", "m4a"])
def test_an_unfinished_recording_is_called_so(tmp_path, suffix):
    video = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=2", "-c:v", "libx264"]
    sound = ["-f", "lavfi", "-i", "sine=300:d=2", "-c:a", "aac"]
    path = made(tmp_path / f"a.{suffix}", *(sound if suffix == "m4a" else video))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(JoVAError, match=r"unfinished recording.*moov atom not found"):
        probe(path)


@pytest.mark.parametrize("claimed", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wave_header_with_a_wrong_length(tmp_path, claimed):
    soundfile.write(tmp_path / "a.wav", np.full(8000, 0.25), 8000)
    data = bytearray((tmp_path / "a.wav").read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", claimed)
    (tmp_path / "a.wav").write_bytes(data)
    assert load_audio(tmp_path / "a.wav").samples.shape == (1, 8000)


def surround(folder, layout, loud, level=0.5):
    """A tone in the channels `loud` of a WAV file of that layout."""
    names = {"5.1": 6, "5.1(side)": 6, "7.1": 8, "quad": 4, "3.0": 3, "stereo": 2}
    tone = level * np.sin(np.arange(8000) * 0.3)
    samples = np.zeros((8000, names[layout]), np.float32)
    samples[:, list(loud)] = tone[:, None]
    (folder / "s.f32").write_bytes(samples.tobytes())
    form = ["-f", "f32le", "-ar", "8000", "-ch_layout", layout, "-i", folder / "s.f32"]
    return made(folder / "s.wav", *form, "-c:a", "pcm_f32le")


@pytest.mark.parametrize(
    ("layout", "loud", "gain"),
    [
        ("5.1", [2], 1),
        ("5.1(side)", [2], 1),
        ("7.1", [2], 1),
        ("3.0", [2], 1),
        ("quad", [0], 1),
        ("quad", [0, 1], 1),
        ("stereo", [0], 1),
        ("stereo", [1], 1),
        ("stereo", [0, 1], 1),
        ("5.1", [0, 1], 1),
        ("5.1", [2, 3], 1),  # the low-frequency channel is no part of the mix
    ],
)
def test_a_voice_keeps_its_level(tmp_path, layout, loud, gain):
    mono = read_audio(surround(tmp_path, layout, loud), 8000)
    assert mono.abs().max() == pytest.approx(0.5 * gain, rel=0.02)


def test_channels_that_cancel_each_other(tmp_path):
    tone = 0.5 * np.sin(np.arange(8000) * 0.3)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, -tone], 1), 8000)
    found = load_audio(tmp_path / "a.wav")
    assert "antiphase" in found.notes[0]
    assert found.mono.abs().max() == pytest.approx(0.5, rel=0.01)
    soundfile.write(tmp_path / "b.wav", np.stack([tone, -0.98 * tone], 1), 8000)
    assert "antiphase" in load_audio(tmp_path / "b.wav").notes[0]
    noise = np.random.default_rng(0).normal(0, 0.1, (8000, 2))
    soundfile.write(tmp_path / "c.wav", noise, 8000)
    assert load_audio(tmp_path / "c.wav").notes == ()
