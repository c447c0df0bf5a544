"""Writes one frame as a picture file."""

from pathlib import Path

import numpy as np
from torch import Tensor

from ..files import atomic_write

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def save_picture(target: Path, frame: Tensor, scale: int, tags: dict[str, str]) -> tuple[str, ...]:
    """Write uint8 `frame` [H, W, 3], enlarged, as PNG (with text tags) or JPEG; returns notes."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    picture = Image.fromarray(np.ascontiguousarray(frame.numpy()))
    size = (picture.width * scale, picture.height * scale)
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    if target.suffix.lower() == ".png":
        texts = PngInfo()
        for key, value in tags.items():
            texts.add_text(key, value)
        with atomic_write(target) as temporary:
            picture.save(temporary, format="PNG", pnginfo=texts)
        return ()
    with atomic_write(target) as temporary:
        picture.save(temporary, format="JPEG", quality=95, subsampling=0)
    return ("A JPEG picture holds no text tags, so the metadata was left out.",) if tags else ()
