"""What a media file holds, counted packet by packet (imageio-ffmpeg ships no ffprobe)."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from ..errors import JoVAError
from ..files import existing_file
from .channels import channel_names
from .colour import Colour
from .describe import StreamText, picture_text, stream_texts
from .ffmpeg import ffmpeg_reason, input_arguments, run_ffmpeg
from .kinds import FileKind, file_kind
from .tags import read_tags

_MEDIA = "a video or sound file (.mp4, .mkv, .webm, .mov, .wav, .flac, .mp3, ...)"
# Half of what lies between a whole rate and its NTSC neighbour.
_RATE_TOLERANCE = Fraction(1, 2000)
_NO_TIME = -(2**63)  # ffmpeg's "not known"
_DISCARDED = 0x4  # its flag of packets that are decoded and not shown


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """The video stream that players choose; `seconds` end where it ends on the file's clock."""

    index: int  # of the stream in the file
    codec: str
    width: int  # as shown: pixels made square, turned upright
    height: int
    frames: int
    fps: Fraction
    seconds: Fraction
    colour: Colour
    interlaced: bool
    alpha: bool
    decoder: str | None  # the one to ask ffmpeg for, or None for its own choice

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading does beyond decoding, as one says it to the user."""
        deinterlaced = ("deinterlaced",) if self.interlaced else ()
        over_white = ("laid over white where it is transparent",) if self.alpha else ()
        return (*self.colour.notes, *deinterlaced, *over_white)


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """The audio stream that players choose; `seconds` end where it ends on the file's clock."""

    index: int  # of the stream in the file
    codec: str
    sample_rate: int  # Hz
    layout: tuple[str, ...]  # FL, FR, ...: the loudspeaker of each channel, "" where unknown
    seconds: Fraction

    @property
    def channels(self) -> int:
        """How many."""
        return len(self.layout)


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """The streams of one file and the container's text tags, their names in lower case."""

    path: Path
    video: VideoInfo | None
    audio: AudioInfo | None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading the pictures does beyond decoding, as one says it to the user."""
        return self.video.notes if self.video is not None else ()

    @property
    def seconds(self) -> Fraction:
        """Length of the longer stream."""
        streams = [stream.seconds for stream in (self.video, self.audio) if stream is not None]
        return max(streams, default=Fraction(0))


def probe(path: str | Path) -> MediaInfo:
    """Return what the media file holds; JoVAError when it is missing or no media file."""
    path = existing_file(path, "media", _MEDIA)
    kind = file_kind(path)
    if kind is not None and not kind.video:
        raise JoVAError(f"{path} is not a media file but {kind.name}; give {_MEDIA}.")
    streams = ["-map", "0:V?", "-map", "0:a?", "-c", "copy"]
    done = run_ffmpeg([*input_arguments(path), *streams, "-f", "framecrc", "-"])
    text = done.stderr.decode("utf-8", "replace")
    if "Input #0" not in text:
        raise _unreadable(path, kind, done.stderr)
    # The part before "Output #0" describes the input; what follows repeats it for the scan.
    described = stream_texts(text.split("Output #0")[0])
    packets = _packets(done.stdout.decode("ascii", "replace"), text)
    video, audio = _chosen(described, packets, "Video"), _chosen(described, packets, "Audio")
    found = MediaInfo(
        path=path,
        video=None if video is None else _video_info(video, packets[video.index]),
        audio=None if audio is None else _audio_info(audio, packets[audio.index]),
        tags=read_tags(path),
    )
    if found.video is None and found.audio is None:
        silent = described and all(stream.kind == "Audio" for stream in described)
        what = "no sound at all (0 samples)" if silent else "neither pictures nor sound"
        raise JoVAError(
            f"{path} holds {what} that can be read (a damaged or unfinished file?); give {_MEDIA}."
        )
    return found


def _unreadable(path: Path, kind: FileKind | None, stderr: bytes) -> JoVAError:
    """The error for a file that ffmpeg does not open."""
    reason = ffmpeg_reason(stderr)
    if kind is not None and "moov atom not found" in reason:
        return JoVAError(
            f"{path} is an unfinished recording: its end, with the index, is missing (damaged or "
            f"unfinished; ffmpeg: {reason}). Finish it with the program that recorded it, or give "
            f"{_MEDIA}."
        )
    return JoVAError(f"{path} is not a media file that ffmpeg can read ({reason}); give {_MEDIA}.")


@dataclass
class _Packets:
    """The shown packets of one stream, the time that they cover in ticks, and header fields."""

    fields: dict[str, str]
    count: int = 0
    first: int | None = None
    last: int = 0
    last_duration: int = 0

    def add(self, start: int, duration: int) -> None:
        """Take in one packet."""
        self.count += 1
        self.first = start if self.first is None else min(self.first, start)
        if start + duration >= self.last:
            self.last, self.last_duration = start + duration, duration

    @property
    def tick(self) -> Fraction:
        """Seconds of one unit of time."""
        return Fraction(self.fields["tb"])


def _packets(text: str, log: str) -> dict[int, _Packets]:
    """ffmpeg's framecrc text by the input's stream numbers; what edit lists cut off is left out."""
    inputs = {int(b): int(a) for a, b in re.findall(r"Stream #0:(\d+) -> #0:(\d+) \(copy\)", log)}
    found: dict[int, _Packets] = defaultdict(lambda: _Packets(fields={}))
    for line in text.splitlines():
        header = re.match(r"#(\w+) (\d+): (.*)", line)
        if header:
            found[inputs.get(int(header[2]), -1)].fields[header[1]] = header[3]
        packet = re.match(
            r"(\d+),\s*(-?\d+),\s*(-?\d+),\s*(\d+),\s*\d+,\s*\w+(?:, F=0x(\w+))?", line
        )
        if packet and not int(packet[5] or "0", 16) & _DISCARDED:
            decoded, shown = int(packet[2]), int(packet[3])
            start = decoded if shown == _NO_TIME else shown
            if start != _NO_TIME:
                found[inputs.get(int(packet[1]), -1)].add(start, int(packet[4]))
    return found


def _chosen(
    described: list[StreamText], packets: dict[int, _Packets], kind: str
) -> StreamText | None:
    """The stream that players choose: the default one, though never a still beside pictures."""
    there = [
        stream
        for stream in described
        if stream.kind == kind and not stream.still and packets[stream.index].count
        if kind == "Audio" or picture_text(stream) is not None
    ]
    order = {s.index: (packets[s.index].count > 1, s.default, -s.index) for s in there}
    return max(there, key=lambda stream: order[stream.index], default=None)


def _video_info(stream: StreamText, packets: _Packets) -> VideoInfo:
    """Build VideoInfo; frames/s is frames over seconds, snapped to a common rate."""
    picture = picture_text(stream)
    first, tick = packets.first or 0, packets.tick
    length = (packets.last - first) * tick
    if packets.count > 1 and packets.last_duration == 0:
        # Some containers say when a picture starts and not how long the last one stays.
        length *= Fraction(packets.count, packets.count - 1)
    rate = packets.count / length if length else picture.stated_fps or Fraction(1)
    tolerance = _RATE_TOLERANCE
    if packets.fields.get("codec_id") == "gif":
        # It states no rate, and its length is rounded to 1/100 s.
        tolerance = max(tolerance, tick / length) if length else tolerance
    elif picture.stated_fps and tick >= Fraction(1, 1000):
        # Matroska and its like round every time to milliseconds: there the stated rate is nearer.
        rate = picture.stated_fps
    fps = _snap_rate(rate, tolerance)
    return VideoInfo(
        index=stream.index,
        codec=packets.fields.get("codec_id", "unknown"),
        width=picture.width,
        height=picture.height,
        frames=packets.count,
        fps=fps,
        seconds=(length or packets.count / fps) + max(first, 0) * tick,
        colour=picture.colour,
        interlaced=picture.interlaced,
        alpha=picture.alpha,
        decoder=picture.decoder,
    )


def _snap_rate(rate: Fraction, tolerance: Fraction) -> Fraction:
    """Return the whole or NTSC rate just beside `rate` (containers round times), else `rate`."""
    whole = round(rate)
    for known in (Fraction(whole), Fraction(whole * 1000, 1001)):
        if known and abs(rate / known - 1) < tolerance:
            return known
    return rate.limit_denominator(1001)


def _audio_info(stream: StreamText, packets: _Packets) -> AudioInfo:
    """Build AudioInfo; packets before time zero (AAC priming) are not counted."""
    rate = int(packets.fields["sample_rate"])
    return AudioInfo(
        index=stream.index,
        codec=packets.fields.get("codec_id", "unknown"),
        sample_rate=rate,
        layout=channel_names(_layout(stream, packets)),
        seconds=max(packets.last, 0) * packets.tick,
    )


def _layout(stream: StreamText, packets: _Packets) -> str:
    """ffmpeg's name of the channel layout: mono, stereo, 5.1(side), 3 channels (FL+FR+LFE)."""
    named = packets.fields.get("channel_layout_name", "")
    described = re.search(r" Hz, ([^,]+)", stream.line)
    return named or (described[1] if described else "mono")
