"""What a media file holds, counted packet by packet (imageio-ffmpeg ships no ffprobe)."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from ..errors import JoVAError
from ..files import existing_file
from .ffmpeg import ffmpeg_reason, input_arguments, run_ffmpeg

_MEDIA = "a video or sound file (.mp4, .mkv, .webm, .mov, .wav, .flac, .mp3, ...)"
# Half of what lies between a whole rate and its NTSC neighbour.
_RATE_TOLERANCE = Fraction(1, 2000)


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """The first video stream: size as shown (rotation applied), frames, frames/s and seconds."""

    codec: str
    width: int
    height: int
    frames: int
    fps: Fraction
    seconds: Fraction


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """The first sound stream: Hz, channels and the seconds that a player sounds."""

    codec: str
    sample_rate: int
    channels: int
    seconds: Fraction


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """The streams of one file and the container's text tags, their names in lower case."""

    path: Path
    video: VideoInfo | None
    audio: AudioInfo | None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> Fraction:
        """Length of the longer stream."""
        streams = [stream.seconds for stream in (self.video, self.audio) if stream is not None]
        return max(streams, default=Fraction(0))


def probe(path: str | Path) -> MediaInfo:
    """Return what the media file holds; JoVAError when it is missing or no media file."""
    path = existing_file(path, "media", _MEDIA)
    streams = ["-map", "0:V:0?", "-map", "0:a:0?", "-c", "copy"]
    done = run_ffmpeg([*input_arguments(path), *streams, "-f", "framecrc", "-"])
    text = done.stderr.decode("utf-8", "replace")
    if "Input #0" not in text:
        raise JoVAError(
            f"{path} is not a media file that ffmpeg can read ({ffmpeg_reason(done.stderr)}); "
            f"give {_MEDIA}."
        )
    # The part before "Output #0" describes the input; what follows repeats it for the scan.
    described = text.split("Output #0")[0]
    headers, spans = _parse_packets(done.stdout.decode("ascii", "replace"))
    video, audio = None, None
    for index, header in headers.items():
        if header["media_type"] == "video" and spans[index].packets:
            video = _video_info(header, spans[index], described)
        elif header["media_type"] == "audio" and spans[index].packets:
            audio = _audio_info(header, spans[index], described)
    if video is None and audio is None:
        raise JoVAError(
            f"{path} holds neither pictures nor sound that can be read (a damaged or unfinished "
            f"file?); give {_MEDIA}."
        )
    return MediaInfo(path=path, video=video, audio=audio, tags=_read_tags(path))


@dataclass
class _Span:
    """Packets of one stream and the time that they cover, in time-base units."""

    packets: int = 0
    first: int | None = None
    last: int = 0

    def add(self, start: int, duration: int) -> None:
        """Take in one packet."""
        self.packets += 1
        self.first = start if self.first is None else min(self.first, start)
        self.last = max(self.last, start + duration)


def _parse_packets(text: str) -> tuple[dict[int, dict[str, str]], dict[int, _Span]]:
    """Split ffmpeg's framecrc text into header fields and packet spans per stream."""
    headers: dict[int, dict[str, str]] = defaultdict(dict)
    spans: dict[int, _Span] = defaultdict(_Span)
    for line in text.splitlines():
        header = re.match(r"#(\w+) (\d+): (.*)", line)
        if header:
            headers[int(header[2])][header[1]] = header[3]
        packet = re.match(r"(\d+),\s*-?\w+,\s*(-?\d+),\s*(\d+),", line)
        if packet:
            spans[int(packet[1])].add(int(packet[2]), int(packet[3]))
    return {index: fields for index, fields in headers.items() if "media_type" in fields}, spans


def _video_info(header: dict[str, str], span: _Span, described: str) -> VideoInfo:
    """Build VideoInfo; frames/s is frames over seconds, snapped to a common rate."""
    width, height = (int(part) for part in header["dimensions"].split("x"))
    if re.search(r"rotation of -?(90|270)\.", described):
        width, height = height, width
    length = (span.last - (span.first or 0)) * Fraction(header["tb"])
    rate = span.packets / length if length else Fraction(1)
    stated = re.search(r"([\d.]+) fps", described)
    tick = Fraction(header["tb"])
    tolerance = _RATE_TOLERANCE
    if header.get("codec_id") == "gif":
        # It states no rate, and its length is rounded to 1/100 s.
        tolerance = max(tolerance, tick / length) if length else tolerance
    elif stated and tick >= Fraction(1, 1000):
        # Matroska and its like round every time to milliseconds: there the stated rate is nearer.
        rate = Fraction(stated[1])
    fps = _snap_rate(rate, tolerance)
    seconds = length or span.packets / fps
    return VideoInfo(
        codec=header.get("codec_id", "unknown"),
        width=width,
        height=height,
        frames=span.packets,
        fps=fps,
        seconds=seconds,
    )


def _snap_rate(rate: Fraction, tolerance: Fraction) -> Fraction:
    """Return the whole or NTSC rate just beside `rate` (containers round times), else `rate`."""
    whole = round(rate)
    for known in (Fraction(whole), Fraction(whole * 1000, 1001)):
        if known and abs(rate / known - 1) < tolerance:
            return known
    return rate.limit_denominator(1001)


def _audio_info(header: dict[str, str], span: _Span, described: str) -> AudioInfo:
    """Build AudioInfo; packets before time zero (AAC priming) are not counted."""
    start = max(span.first or 0, 0)
    return AudioInfo(
        codec=header.get("codec_id", "unknown"),
        sample_rate=int(header["sample_rate"]),
        channels=_channels(described),
        seconds=max(span.last - start, 0) * Fraction(header["tb"]),
    )


def _channels(described: str) -> int:
    """Read the channel count from ffmpeg's words: mono, stereo, 5.1(side), 3 channels."""
    found = re.search(r"Audio: .*? Hz, (\d+ channels|\d+\.\d|mono|stereo|\w+)", described)
    words = found[1] if found else "mono"
    named = {"mono": 1, "stereo": 2, "quad": 4, "hexagonal": 6, "octagonal": 8, "downmix": 2}
    if words in named:
        return named[words]
    return sum(int(digit) for digit in re.findall(r"\d+", words)) or 1


def _read_tags(path: Path) -> dict[str, str]:
    """Return the container's text tags (title, workflow, ...)."""
    done = run_ffmpeg([*input_arguments(path), "-fflags", "+bitexact", "-f", "ffmetadata", "-"])
    text = done.stdout.decode("utf-8", "replace")
    tags = {}
    # A backslash escapes the character after it, line ends included; "[" starts a chapter.
    for entry in re.findall(r"(?:[^\\\n]|\\.)+", text.removeprefix(";FFMETADATA1"), re.DOTALL):
        pair = re.match(r"((?:[^\\=]|\\.)*)=(.*)", entry, re.DOTALL)
        if entry.startswith("["):
            break
        if pair:
            key, value = (re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in pair.groups())
            # Matroska and WebM write names in capitals, MP4 as given.
            tags[key.lower()] = value
    return tags
