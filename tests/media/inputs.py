"""Small inputs for the tests of reading, made by imageio-ffmpeg's program; and the shared ones."""

import os
from pathlib import Path

import numpy as np
import pytest

from jova_core.media.ffmpeg import run_ffmpeg

SHARED = Path(os.environ.get("JOVA_SHARED", Path(__file__).parents[3] / "shared"))
CASES = SHARED / "cases" / "media"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="no shared cases")
# Skin in light and shade, grey, white, and three strong colours: sRGB.
_SKIN = [[200, 140, 110], [90, 60, 40], [128, 128, 128], [255, 255, 255]]
_STRONG = [[200, 30, 30], [30, 200, 30], [30, 30, 200], [16, 16, 16]]
COLOURS = np.array([*_SKIN, *_STRONG], np.uint8)


def made(path, *arguments):
    """`path`, after ffmpeg has made it."""
    done = run_ffmpeg(["-v", "error", *map(str, arguments), str(path)])
    assert done.returncode == 0, done.stderr.decode()
    return path


def bars(height=64, width=256):
    """The colours side by side, uint8 [height, width, 3]."""
    return np.repeat(COLOURS, width // 8, axis=0)[None].repeat(height, 0)


def raw(folder, pictures, fps=8):
    """ffmpeg's arguments for pictures [F, H, W, C] in 8 or 16 bits."""
    file = folder / "pictures.raw"
    file.write_bytes(np.ascontiguousarray(pictures).tobytes())
    height, width, channels = pictures.shape[1:]
    names = {(1, 3): "rgb24", (2, 3): "rgb48le", (1, 4): "rgba"}
    form = names[pictures.dtype.itemsize, channels]
    size = ["-video_size", f"{width}x{height}", "-framerate", str(fps)]
    return ["-f", "rawvideo", "-pixel_format", form, *size, "-i", file]


def colours_of(frame):
    """The middle of each bar, int [8, 3]."""
    height, width = frame.shape[:2]
    across = [(2 * i + 1) * width // 16 for i in range(8)]
    return np.asarray(frame[height // 2, across], int)
