"""What ffmpeg says about a file's streams, taken apart (imageio-ffmpeg ships no ffprobe)."""

import re
from dataclasses import dataclass
from fractions import Fraction

from .colour import Colour

_STREAM = re.compile(r"^\s*Stream #0:(\d+)(?:\[\w+\])?(?:\(\w+\))?: (Video|Audio): (.*)$")
# A pixel format, what is known of its colours, and the size: "yuv420p(tv, bt709), 384x256 [SAR …".
_PICTURE = re.compile(r", (\w+)(?:\((.*?)\))?, (\d+)x(\d+)")
_ALPHA = re.compile(r"yuva|rgba|argb|bgra|abgr|gbrap|^ya\d|pal8|ayuv|vuya")
_VPX = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # these alone read the alpha of a WebM file


@dataclass(frozen=True, kw_only=True)
class StreamText:
    """One `Stream #0:…` entry of ffmpeg's description: its first line and those below it."""

    index: int
    kind: str  # "Video" or "Audio"
    line: str
    below: str

    @property
    def default(self) -> bool:
        """Players choose this one unless told otherwise."""
        return "(default)" in self.line

    @property
    def still(self) -> bool:
        """A cover or thumbnail, not the pictures themselves."""
        return re.search(r"\((attached pic|timed thumbnails|still image)\)", self.line) is not None


@dataclass(frozen=True, kw_only=True)
class PictureText:
    """What the entry of a video stream tells of its pictures."""

    width: int  # as shown: pixels made square, turned upright
    height: int
    pixel_format: str
    colour: Colour
    interlaced: bool
    alpha: bool
    decoder: str | None  # the one to ask for by name, or None for ffmpeg's own choice
    stated_fps: Fraction | None


def stream_texts(described: str) -> list[StreamText]:
    """The video and audio entries of ffmpeg's description of one input, in the file's order."""
    found = []
    for entry in re.split(r"\n(?=\s*Stream #0:\d)", described)[1:]:
        line, _, below = entry.partition("\n")
        match = _STREAM.match(line)
        if match:  # not subtitles or data
            found.append(StreamText(index=int(match[1]), kind=match[2], line=match[3], below=below))
    return found


def picture_text(stream: StreamText) -> PictureText | None:
    """The entry of a video stream taken apart; None where ffmpeg does not know the picture size."""
    match = _PICTURE.search(stream.line)
    if match is None:
        return None
    pixel_format, details = match[1], match[2] or ""
    coded_width, coded_height = int(match[3]), int(match[4])
    codec = stream.line.split()[0].strip(",")
    width, height = _shown_size(stream, coded_width, coded_height)
    marked = re.search(r"alpha_mode\s*: 1\b", stream.below) is not None
    stated = re.search(r"([\d.]+)(k?) fps", stream.line)
    return PictureText(
        width=width,
        height=height,
        pixel_format=pixel_format,
        colour=Colour.of(details, pixel_format, codec, width=coded_width, height=coded_height),
        interlaced=re.search(r"\b(top|bottom) (coded )?first", details) is not None,
        alpha=marked or _ALPHA.search(pixel_format) is not None,
        decoder=_VPX.get(codec) if marked else None,
        stated_fps=Fraction(stated[1]) * (1000 if stated[2] else 1) if stated else None,
    )


def _shown_size(stream: StreamText, width: int, height: int) -> tuple[int, int]:
    """Width and height with square pixels and upright; a shape beyond 16:1 is taken for a fault."""
    shapes = re.findall(r"SAR (\d+):(\d+)", stream.line)
    if shapes:
        # The container's comes after the codec's, and players follow it.
        across, down = (int(part) for part in shapes[-1])
        if across and down and Fraction(1, 16) <= Fraction(across, down) <= 16:
            width = max(1, round(Fraction(width * across, down)))
    if re.search(r"rotation of -?(90|270)\.", stream.below):
        width, height = height, width
    return width, height
