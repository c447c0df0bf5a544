"""Pictures as tensors: upright, sRGB, over white.

H height, W width.
"""

import io
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..errors import JoVAError
from ..files import existing_file
from .ffmpeg import file_url, run_ffmpeg
from .kinds import FileKind, file_kind

if TYPE_CHECKING:
    from PIL.Image import Image

_PICTURES = "a picture (.png, .jpg, .webp, .avif, .bmp, .tif, .gif)"
_FORMATS = (
    *("PNG", "JPEG", "MPO", "WEBP", "BMP", "DIB", "TIFF", "GIF", "AVIF", "JPEG2000", "PSD"),
    *("ICO", "QOI", "PPM", "TGA", "PCX"),
)
# ffmpeg's readers for what Pillow knows in part, or in some installations only.
_DEMUXERS = {"JPEG XL": "jpegxl_pipe", "TIFF": "tiff_pipe", "Photoshop": "psd_pipe"}
_PNG_TEXT = {b"tEXt", b"zTXt", b"iTXt"}


def read_image(path: str | Path) -> Tensor:
    """Return the picture as uint8 sRGB [H, W, 3]: EXIF turned upright, transparency over white.

    Of an animation it is the first frame. Raises JoVAError, with the format's name where it is one
    that is not supported.
    """
    path = existing_file(path, "picture", _PICTURES)
    kind = file_kind(path)
    if kind is not None and not kind.picture:
        raise JoVAError(_refusal(path, kind))
    pixels = _read(path, path)
    if pixels is None and kind is not None:
        pixels = _second_way(path, kind)
    if pixels is None:
        what = f"{kind.name}, but damaged or too large" if kind else "not a picture at all"
        raise JoVAError(
            f"{path} cannot be read as a picture (it is {what}); give the path of {_PICTURES}."
        )
    return torch.from_numpy(pixels)


def _refusal(path: Path, kind: FileKind) -> str:
    if kind.video:
        return (
            f"{path} cannot be read as a picture (it is {kind.name}); give the path of {_PICTURES}."
        )
    name = f"{kind.name.split(' ', 1)[1]}s"
    return (
        f"{path} cannot be read as a picture: {name} are not supported; {kind.advice}, and give "
        "the path of that."
    )


def _read(path: Path, source: Path | io.BytesIO) -> np.ndarray | None:
    """uint8 [H, W, 3]; None for what Pillow cannot read."""
    from PIL import Image, ImageOps

    Image.init()
    known = [name for name in _FORMATS if name in Image.OPEN]
    try:
        with Image.open(source, formats=known) as opened:
            if opened.format == "TGA" and path.suffix.lower() not in {".tga", ".tpic"}:
                return None  # this format has no sign: any bytes may look like it
            return np.array(_to_rgb(ImageOps.exif_transpose(opened)))
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError):
        return None


def _to_rgb(image: "Image") -> "Image":
    """Convert any PIL mode to sRGB over white; 16-bit grey keeps its upper 8 bits."""
    from PIL import Image

    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        grey = np.nan_to_num(np.asarray(image)) * 255
        return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)).convert("RGB")
    alpha = None
    if "A" in image.mode or "transparency" in image.info:
        profile = image.info.get("icc_profile")
        image = image.convert("RGBA")
        alpha, image = image.getchannel("A"), image.convert("RGB")
        image.info["icc_profile"] = profile
    colours = _to_srgb(image)
    if alpha is None:
        return colours
    return Image.composite(colours, Image.new("RGB", colours.size, (255, 255, 255)), alpha)


def _to_srgb(image: "Image") -> "Image":
    """RGB by the embedded ICC profile; as it is where there is none or it does not fit."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if image.mode == "P":
        image = image.convert("RGB")
    if not profile:
        return image.convert("RGB")
    try:
        return ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB")


def fit_image(image: Tensor, height: int, width: int) -> Tensor:
    """Scale uint8 [H, W, 3] to cover [height, width, 3], cut the rest off evenly on both sides.

    Lanczos with antialiasing; a picture of the right size comes back unchanged.
    """
    from PIL import Image

    _check_image(image)
    if height < 1 or width < 1:
        raise JoVAError(f"The size {height} x {width} is not possible; both must be at least 1.")
    have_h, have_w = image.shape[:2]
    if (have_h, have_w) == (height, width):
        return image
    factor = min(have_h / height, have_w / width)
    left, top = (have_w - width * factor) / 2, (have_h - height * factor) / 2
    box = (max(left, 0), max(top, 0), min(have_w - left, have_w), min(have_h - top, have_h))
    picture = Image.fromarray(image.contiguous().numpy())
    fitted = picture.resize((width, height), Image.Resampling.LANCZOS, box=box)
    return torch.from_numpy(np.array(fitted))


def _check_image(image: Tensor) -> None:
    """Reject anything but uint8 [H, W, 3]."""
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[-1] != 3 or not image.numel():
        raise JoVAError(
            f"The picture is {image.dtype} {list(image.shape)}; "
            "it must be uint8 [height, width, 3]."
        )


def _second_way(path: Path, kind: FileKind) -> np.ndarray | None:
    """What Pillow does not take and yet is whole: large texts, deep TIFF, JPEG XL."""
    if "PNG" in kind.name:
        return _read(path, io.BytesIO(_without_texts(path.read_bytes())))
    demuxer = next((_DEMUXERS[word] for word in _DEMUXERS if word in kind.name), None)
    if demuxer is None:
        return None
    with tempfile.TemporaryDirectory(prefix="jova-") as folder:
        png = Path(folder) / "picture.png"
        guards = ["-protocol_whitelist", "file,pipe", "-err_detect", "explode", "-f", demuxer]
        output = ["-frames:v", "1", "-update", "1", str(png)]
        done = run_ffmpeg(["-v", "error", "-xerror", *guards, "-i", file_url(path), *output])
        return _read(path, png) if done.returncode == 0 and png.is_file() else None


def _without_texts(data: bytes) -> bytes:
    """A PNG file without its text chunks, of which Pillow takes no large ones."""
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in _PNG_TEXT:
            parts.append(data[at : at + 12 + length])
        at += 12 + length
    return b"".join(parts)
