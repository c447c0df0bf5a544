"""What a file is by its first bytes, so that it is called by its own name."""

import re
from dataclasses import dataclass
from pathlib import Path

_HEAD = 4096  # bytes that are looked at


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """A file format: how it is called, and what of it can be read here."""

    name: str
    picture: bool = False  # read_image takes it
    video: bool = False  # read_video may take it
    advice: str = "save it as PNG or JPEG"


def _picture(name: str) -> FileKind:
    return FileKind(name=name, picture=True)


def _other(name: str, advice: str = "save it as PNG or JPEG") -> FileKind:
    return FileKind(name=name, advice=advice)


_HEIC = _other("a HEIC picture")
_RAW = _other("a camera's raw picture", "develop it and save it as PNG or JPEG")
_PLAYLIST = _other("a playlist", "give one of the media files that it names")
# The first that fits counts. In "ftyp" boxes the brand stands at byte 8.
_SIGNS: tuple[tuple[bytes, FileKind], ...] = (
    (rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", _HEIC),
    (rb"....ftypavis", FileKind(name="an AVIF picture", picture=True, video=True)),
    (rb"....ftypavif", _picture("an AVIF picture")),
    (rb"....ftypcrx ", _RAW),
    (rb"....ftyp|....(moov|mdat|free|skip|wide)", FileKind(name="an MP4 video", video=True)),
    (rb"\x89PNG\r\n\x1a\n.*acTL", FileKind(name="an animated PNG", picture=True, video=True)),
    (rb"\x89PNG\r\n\x1a\n", _picture("a PNG picture")),
    (rb"\xff\xd8\xff", _picture("a JPEG picture")),
    (rb"GIF8[79]a", FileKind(name="a GIF", picture=True, video=True)),
    (rb"RIFF....WEBP.*ANIM", FileKind(name="an animated WebP", picture=True, video=True)),
    (rb"RIFF....WEBP", _picture("a WebP picture")),
    (rb"RIFF....AVI ", FileKind(name="an AVI video", video=True)),
    (rb"RIFF....WAVE|RF64|fLaC|OggS|ID3", FileKind(name="a sound file", video=True)),
    (rb"\x1aE\xdf\xa3", FileKind(name="a Matroska or WebM video", video=True)),
    (rb"II\*\x00.{4}CR|IIU\x00|IIRO|IIRS|FUJIFILMCCD-RAW|FOVb|\x00MRM", _RAW),
    (rb"II\*\x00|MM\x00\*", _picture("a TIFF picture")),
    (rb"BM.{4}\x00{4}", _picture("a BMP picture")),
    (rb"\xff\x0a|\x00{3}\x0cJXL \r\n\x87\n", _picture("a JPEG XL picture")),
    (rb"\x00{3}\x0cjP  \r\n\x87\n|\xffO\xffQ", _picture("a JPEG 2000 picture")),
    (rb"8BPS", _picture("a Photoshop picture")),
    (rb"qoif", _picture("a QOI picture")),
    (rb"\x00\x00\x01\x00[^\x00]\x00", _picture("an icon")),
    (rb"P[1-7][\s#]|P[Ff]\s", _picture("a Netpbm picture")),
    (rb"v/1\x01", _other("an OpenEXR picture")),
    (rb"#\?(RADIANCE|RGBE)", _other("a Radiance HDR picture")),
    (rb"SDPX|XPDS", _other("a DPX picture")),
    (rb"gimp xcf", _other("a GIMP picture")),
    (rb"\s*(<[?!][^<]*>\s*)*<svg", _other("an SVG drawing")),
    (rb"%PDF", _other("a PDF document")),
    (rb"%!PS|\xc5\xd0\xd3\xc6", _other("a PostScript document")),
    (rb"\x00\x05\x16\x07", _other("a macOS side file (._*)", "use the file without ._")),
    (rb"(\xef\xbb\xbf)?#EXTM3U|\[playlist\]", _PLAYLIST),
    (rb"\s*(<[?!][^<]*>\s*)*<MPD", _PLAYLIST),
    (rb"PK\x03\x04|7z\xbc\xaf|Rar!|\x1f\x8b", _other("an archive", "unpack it first")),
)


def file_kind(path: Path) -> FileKind | None:
    """The format of a file by its first bytes; None where it is none of those known here."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for sign, kind in _SIGNS:
        if re.match(sign, head, re.DOTALL):
            return kind
    return None
