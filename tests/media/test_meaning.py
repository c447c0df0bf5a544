"""Videos are read as players show them: shape, turn, colours, fields and what shines through."""

import numpy as np
import pytest
import torch

from jova_core.media import probe, read_video, stream_video

from .inputs import CASES, COLOURS, bars, colours_of, made, needs_cases, raw

X264 = ["-c:v", "libx264", "-crf", "1", "-preset", "ultrafast"]


def first(path, **options):
    return read_video(path, fps=8, max_frames=4, **options)[0]


def error(path):
    """The largest difference of a colour from what it should be."""
    return int(abs(colours_of(first(path)) - COLOURS).max())


@needs_cases
@pytest.mark.parametrize(
    ("name", "note"),
    [("hdr_pq.mp4", "HDR (PQ)"), ("hdr_hlg.mp4", "HDR (HLG)"), ("hd_untagged709.mp4", "")],
)
def test_shared_colours(name, note):
    frame = first(CASES / name).numpy().astype(int)
    skin, shade, white = frame[600, [400, 720, 1040]]
    assert abs(skin - [200, 140, 110]).max() < 3
    assert abs(shade - [90, 60, 40]).max() < 3
    assert white.min() >= 254
    notes = " ".join(probe(CASES / name).notes)
    assert note in notes
    assert bool(notes) == bool(note)


@needs_cases
def test_shared_shapes_fields_and_alpha():
    wide = probe(CASES / "sar_2to1.mp4").video
    assert (wide.width, wide.height) == (128, 96)
    assert first(CASES / "sar_2to1.mp4").shape == (96, 128, 3)
    assert first(CASES / "sar_2to1.mp4", height=96, width=96).shape == (96, 96, 3)
    assert probe(CASES / "interlaced.mp4").notes == ("deinterlaced",)
    for name in ("alpha.webm", "anim_alpha.png"):
        frames = read_video(CASES / name, fps=8, max_frames=8)
        assert frames[0, 0, 0].tolist() == [255, 255, 255]
        reds = (abs(frames.int() - torch.tensor([220, 30, 30])).amax(-1) < 8).float().mean((1, 2))
        assert reds.min() > 0.02, "what is opaque is there"
        dark = (frames.amax(-1) < 100).float().mean()
        green = (frames[..., 1].int() - frames[..., 0].int()).max()
        assert dark == 0
        assert green < 30


@pytest.mark.parametrize(("sar", "size"), [("3/2", (96, 64)), ("8/9", (57, 64)), ("1/1", (64, 64))])
def test_pixels_become_square(tmp_path, sar, size):
    vf = ["-vf", f"setsar={sar}"]
    path = made(tmp_path / "a.mp4", *raw(tmp_path, bars(64, 64)[None].repeat(4, 0)), *vf, *X264)
    assert first(path).shape[:2] == (size[1], size[0])
    assert (probe(path).video.width, probe(path).video.height) == size


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", [[], ["-display_hflip"], ["-display_vflip"]])
def test_turned_and_mirrored_videos_are_upright(tmp_path, turn, flip):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32], picture[:24, 32:], picture[24:, :32] = [255, 0, 0], [0, 255, 0], [0, 0, 255]
    frames = picture[None].repeat(3, 0)
    plain = made(tmp_path / "a.mkv", *raw(tmp_path, frames), "-c:v", "libx264rgb", "-crf", "0")
    path = tmp_path / "b.mov"
    made(path, "-display_rotation", turn, *flip, "-i", plain, "-c", "copy")
    # The matrix in the file turns anticlockwise, and mirrors what is turned.
    mirrored = {"-display_hflip": np.fliplr, "-display_vflip": np.flipud}
    upright = np.rot90(picture, turn // 90)
    upright = mirrored[flip[0]](upright) if flip else upright
    seen = first(path).numpy().astype(int)
    assert seen.shape == upright.shape
    assert abs(seen - upright)[::5, ::5].mean() < 4


@pytest.mark.parametrize("sar", ["2/1"])
def test_a_turned_video_with_long_pixels(tmp_path, sar):
    source = [*raw(tmp_path, bars(32, 64)[None].repeat(3, 0)), "-vf", f"setsar={sar}"]
    plain = made(tmp_path / "a.mp4", *source, *X264)
    path = made(tmp_path / "b.mp4", "-display_rotation", "90", "-i", plain, "-c", "copy")
    assert first(path).shape == (128, 32, 3)
    assert stream_video(path, frames=2).height == 128


def pq(light):
    """ST 2084's code of a light in cd/m2."""
    y = (light / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg(light):
    """BT.2100's code of a scene light of 0 ... 1."""
    upper = 0.17883277 * np.log(np.maximum(12 * light - 0.28466892, 1e-9)) + 0.55991073
    return np.where(light <= 1 / 12, np.sqrt(3 * light), upper)


def linear(srgb):
    value = srgb / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


# BT.2087: linear BT.709 to BT.2020.
TO_2020 = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]


@pytest.mark.parametrize(("transfer", "name"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG")])
@pytest.mark.parametrize("codec", ["libx265", "libvpx-vp9", "prores_ks"])
def test_hdr_becomes_the_sdr_picture_of_the_same_scene(tmp_path, transfer, name, codec):
    light = linear(bars().astype(float)) @ np.array(TO_2020).T
    code = pq(203 * light) if name == "PQ" else hlg(0.26496 * light)
    frames = (65535 * code).round().astype(np.uint16)[None].repeat(3, 0)
    form = {"prores_ks": "yuv422p10le"}.get(codec, "yuv420p10le")
    tags = ["-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc"]
    vf = f"scale=out_color_matrix=bt2020:out_range=tv,format={form},setparams="
    vf += f"color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    how = {"libx265": ["-x265-params", "log-level=error", "-crf", "4"]}
    how |= {"libvpx-vp9": ["-crf", "4", "-b:v", "0", "-cpu-used", "8"], "prores_ks": []}
    suffix = {"libx265": "mp4", "libvpx-vp9": "webm", "prores_ks": "mov"}[codec]
    source = [*raw(tmp_path, frames), "-vf", vf, "-c:v", codec, *how[codec], *tags]
    path = made(tmp_path / f"a.{suffix}", *source)
    assert error(path) <= 6
    assert probe(path).notes == (f"tone-mapped from HDR ({name}) to SDR",)


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt470bg"])
@pytest.mark.parametrize("full", ["tv", "pc"])
def test_tagged_matrix_and_range(tmp_path, matrix, full):
    name = "bt709" if matrix == "bt709" else "bt601"
    vf = f"scale=out_color_matrix={name}:out_range={full},format=yuv444p,"
    vf += f"setparams=colorspace={matrix}:range={full}"
    tags = ["-colorspace", matrix, "-color_range", full]
    source = raw(tmp_path, bars()[None].repeat(3, 0))
    assert error(made(tmp_path / "a.mp4", *source, "-vf", vf, *X264, *tags)) <= 3


@pytest.mark.parametrize(
    ("width", "height", "matrix"),
    [(640, 480, "bt601"), (720, 576, "bt601"), (1280, 544, "bt709"), (720, 1280, "bt709")],
)
def test_without_tags_the_size_decides(tmp_path, width, height, matrix):
    vf = f"scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p"
    bsf = "h264_metadata=matrix_coefficients=2:colour_primaries=2:transfer_characteristics=2"
    source = raw(tmp_path, bars(height, width)[None].repeat(2, 0))
    plain = made(tmp_path / "a.mp4", *source, "-vf", vf, *X264, "-bsf:v", bsf)
    assert error(plain) <= 4


def test_wide_sdr_primaries_become_srgb(tmp_path):
    """BT.2020 without HDR, and Display P3."""
    light = linear(bars().astype(float)) @ np.array(TO_2020).T
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    frames = (65535 * code).round().astype(np.uint16)[None].repeat(3, 0)
    vf = "scale=out_color_matrix=bt2020:out_range=tv,format=yuv444p10le,setparams="
    vf += "color_primaries=bt2020:color_trc=bt709:colorspace=bt2020nc:range=tv"
    tags = ["-color_primaries", "bt2020", "-color_trc", "bt709", "-colorspace", "bt2020nc"]
    source = raw(tmp_path, frames)
    path = made(tmp_path / "a.mp4", *source, "-vf", vf, *X264, "-profile:v", "high444", *tags)
    assert error(path) <= 5
    assert probe(path).notes == ()


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize("codec", ["mpeg2video", "libx264", "prores_ks"])
def test_fields_are_joined(tmp_path, order, codec):
    """A bar that moves from field to field leaves no comb."""
    fields = np.zeros((24, 96, 128, 3), np.uint8)
    for i, field in enumerate(fields):
        field[:, 8 + 4 * i : 20 + 4 * i] = 255
    flags = ["-flags", "+ilme+ildct"]
    if codec == "libx264":
        flags = ["-x264-params", f"{order}=1:log-level=none"]
    how = ["-q:v", "2"] if codec == "mpeg2video" else []
    lines = "interleave_top" if order == "tff" else "interleave_bottom"
    path = tmp_path / "a.mov"
    vf = f"tinterlace={lines},setparams=field_mode={order},format=yuv420p"
    vf = vf.replace("yuv420p", "yuv422p10le") if codec == "prores_ks" else vf
    made(path, *raw(tmp_path, fields, fps=50), "-vf", vf, "-c:v", codec, *how, *flags)
    assert probe(path).notes == ("deinterlaced",)
    frames = read_video(path, fps=25, max_frames=12)[3:9].float()
    comb = (frames[:, 1:-1] - (frames[:, :-2] + frames[:, 2:]) / 2).abs().mean()
    assert comb < 4, "an interlaced frame has 10 and more"


ALPHA = {
    "qtrle.mov": ["-c:v", "qtrle", "-pix_fmt", "argb"],
    "prores.mov": ["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"],
    "vp8.webm": ["-c:v", "libvpx", "-auto-alt-ref", "0", "-pix_fmt", "yuva420p", "-b:v", "4M"],
    "vp9.webm": ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-crf", "4", "-b:v", "0"],
    "webp.webp": ["-c:v", "libwebp_anim", "-lossless", "1", "-loop", "0"],
    "apng.png": ["-c:v", "apng", "-f", "apng"],
    "ffv1.mkv": ["-c:v", "ffv1", "-pix_fmt", "bgra"],
    "png.mov": ["-c:v", "png", "-pix_fmt", "rgba"],
}


@pytest.mark.parametrize("name", ALPHA)
def test_what_shines_through_is_white(tmp_path, name):
    pictures = np.zeros((4, 64, 96, 4), np.uint8)
    pictures[..., 1] = 255  # hidden green
    pictures[:, 16:48, 16:48] = [220, 30, 30, 255]
    pictures[:, 16:48, 56:88] = [30, 30, 220, 128]
    for i in range(4):
        pictures[i, :4, 4 * i : 4 * i + 4] = [0, 0, 0, 255]  # so that no two frames are the same
    path = made(tmp_path / name, *raw(tmp_path, pictures), *ALPHA[name])
    seen = first(path).numpy().astype(int)
    assert abs(seen[60, 8] - 255).max() <= 2
    assert abs(seen[32, 32] - [220, 30, 30]).max() <= 12
    assert abs(seen[32, 72] - [142, 142, 237]).max() <= 12
    # An enlarged edge shows nothing of what is hidden: no pixel is greener than white.
    large = first(path, height=256, width=384).numpy().astype(int)
    assert (large[..., 1] - large[..., 0].clip(min=30)).max() < 110
    assert "over white" in " ".join(probe(path).notes)


def test_a_gif_that_moves_over_nothing(tmp_path):
    from PIL import Image

    frames = []
    for i in range(4):
        frame = Image.new("P", (32, 32), 0)
        frame.putpalette([0, 255, 0, 220, 30, 30])
        frame.paste(1, (4 * i, 8, 4 * i + 8, 16))
        frames.append(frame)
    how = {"transparency": 0, "disposal": 2, "duration": 100}
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], **how)
    seen = read_video(tmp_path / "a.gif", fps=10, max_frames=4)
    assert len(seen) == 4
    assert seen[3, 0, 0].tolist() == [255, 255, 255]
    assert abs(seen[3, 10, 14].int() - torch.tensor([220, 30, 30])).max() < 8
    assert seen[3, 10, 2].tolist() == [255, 255, 255]


@pytest.mark.parametrize("size", [(96, 96), (300, 40), (64, 256)])
def test_a_wanted_size_is_covered(tmp_path, size):
    path = made(tmp_path / "a.mp4", *raw(tmp_path, bars()[None].repeat(3, 0)), *X264)
    assert first(path, height=size[0], width=size[1]).shape == (*size, 3)
