"""Videos as tensors: shown as players show them, read while ffmpeg decodes.

F frames, H height, W width.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from ..errors import JoVAError
from ..files import existing_file
from .ffmpeg import FFmpegError, clock_arguments, drain_ffmpeg, ffmpeg_reason, input_arguments
from .frames import FrameStream
from .probe import VideoInfo, probe

VIDEO_FORMATS = "a video (.mp4, .mkv, .webm, .mov, .avi, .gif)"
_CHUNK_BYTES = 1 << 26  # of decoded frames taken from ffmpeg at a time
_OVER_WHITE = (
    "format=gbrap",
    "split[picture][copy];[copy]lutrgb=r=255:g=255:b=255:a=255[white]"
    ";[white][picture]overlay=format=gbrp:alpha=straight",
)


def read_video(
    path: str | Path,
    *,
    fps: Fraction | int,
    max_frames: int,
    height: int | None = None,
    width: int | None = None,
) -> Tensor:
    """Return up to `max_frames` frames, uint8 [F, H, W, 3], frame k being the one nearest k / fps.

    With `height` and `width` every frame is scaled to cover that size and cut at its centre. Pixels
    are square and upright, colours sRGB, transparent parts white; `probe(path).notes` says which of
    it had to be made. Takes little memory beside the result. Raises JoVAError.
    """
    if fps <= 0 or max_frames < 1:
        raise JoVAError(f"Asked for {max_frames} frames at {fps} frames/s; both must be above 0.")
    path, info, other = _opened(path)
    size = (info.height, info.width) if height is None or width is None else (height, width)
    # One more than the length gives, because times are rounded.
    room = min(max_frames, math.ceil(info.seconds * fps) + 1)
    blocks: list[Tensor] = []

    def buffers() -> Iterator[memoryview]:
        while True:
            blocks.append(_room(room, size, path))
            yield memoryview(blocks[-1].numpy()).cast("B")

    filters = ",".join(_filters(info, Fraction(fps), size))
    wanted = ["-vf", filters, "-frames:v", str(max_frames)]
    filled = sum(_decode(path, info, other, wanted, buffers()))
    count = filled // (size[0] * size[1] * 3)
    if not count:
        raise JoVAError(f"The video of {path} holds no picture; give {VIDEO_FORMATS}.")
    return (blocks[0] if count <= room else torch.cat(blocks))[:count]


def stream_video(path: str | Path, *, frames: int) -> FrameStream:
    """The first `frames` frames at the video's own rate and size, decoded while they are taken.

    The last one is held where the video ends before. Raises JoVAError, at once or when taken.
    """
    path, info, other = _opened(path)
    size = (info.height, info.width)
    chunk = max(1, _CHUNK_BYTES // (3 * size[0] * size[1]))

    def chunks() -> Iterator[Tensor]:
        buffer = torch.empty(0, dtype=torch.uint8)

        def buffers() -> Iterator[memoryview]:
            nonlocal buffer
            while True:
                # A new one each time: whoever takes a chunk may still hold the one before.
                buffer = _room(chunk, size, path)
                yield memoryview(buffer.numpy()).cast("B")

        filters = [*_filters(info, info.fps, size), "tpad=stop_mode=clone:stop=-1"]
        wanted = ["-vf", ",".join(filters), "-frames:v", str(frames)]
        for filled in _decode(path, info, other, wanted, buffers()):
            yield buffer[: filled // (size[0] * size[1] * 3)]

    return FrameStream(count=frames, height=size[0], width=size[1], chunks=chunks())


def _opened(path: str | Path) -> tuple[Path, VideoInfo, int | None]:
    """The path, its video stream and the number of its audio stream."""
    path = existing_file(path, "video", VIDEO_FORMATS)
    found = probe(path)
    if found.video is None:
        raise JoVAError(f"{path} has no video stream; give {VIDEO_FORMATS}.")
    return path, found.video, found.audio and found.audio.index


def _room(count: int, size: tuple[int, int], path: Path) -> Tensor:
    """Memory for frames, which the system gives only as they arrive."""
    try:
        return torch.empty(count, *size, 3, dtype=torch.uint8)
    except (RuntimeError, MemoryError) as error:
        needed = count * size[0] * size[1] * 3 / 2**30
        raise JoVAError(
            f"{count} frames of {path} at {size[1]} x {size[0]} need {needed:.1f} GiB, more than "
            "this machine has; use fewer or smaller frames."
        ) from error


def _decode(
    path: Path,
    info: VideoInfo,
    other: int | None,
    wanted: list[str],
    buffers: Iterator[memoryview],
) -> Iterator[int]:
    """Fill `buffers` with RGB frames; yields the bytes of each."""
    decoder = [] if info.decoder is None else ["-c:v", info.decoder]
    arguments = ["-v", "error", *decoder, *input_arguments(path), "-map", f"0:{info.index}"]
    output = ["-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    output += clock_arguments(other)
    try:
        yield from drain_ffmpeg([*arguments, *wanted, *output], buffers)
    except FFmpegError as error:
        reason = ffmpeg_reason(error.args[0])
        raise JoVAError(
            f"The video of {path} cannot be decoded ({reason}); give {VIDEO_FORMATS}."
        ) from error


def _filters(info: VideoInfo, fps: Fraction, size: tuple[int, int]) -> list[str]:
    """ffmpeg's filters from coded frames to sRGB ones of `size` (height, width) at `fps`."""
    height, width = size
    # Frames cover the size and what is too much is cut off; where it is the video's own, nothing.
    factor = max(Fraction(height, info.height), Fraction(width, info.width))
    tall, wide = max(height, round(info.height * factor)), max(width, round(info.width * factor))
    flags = "flags=" + ("bicubic" if factor == 1 else "lanczos") + info.colour.scale_options()
    resize = [f"scale={wide}:{tall}:{flags}", f"crop={width}:{height}"]
    if info.alpha:
        # White comes first: in an enlarged edge the hidden colours would show.
        resize = [f"scale={flags}", *_OVER_WHITE, *resize]
    deinterlace = ["bwdif=mode=send_frame:parity=auto:deint=all"] if info.interlaced else []
    rate = f"fps=fps={fps}:start_time=0"
    return [*deinterlace, rate, *resize, *info.colour.filters(), "format=rgb24"]
