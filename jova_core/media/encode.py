"""One ffmpeg call that turns raw frames and audio into a container, by a recipe.

F frames, H height, W width, C audio channels, N samples.
"""

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from .ffmpeg import feed_ffmpeg, file_url
from .frames import FrameStream
from .layouts import layout_arguments
from .recipes import Recipe
from .tags import tag_arguments

# No library version or date in the file: the same input gives the same bytes.
_BITEXACT = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
_BLOCK = 1 << 20  # samples written at a time


@dataclass(frozen=True, kw_only=True)
class EncodeJob:
    """Checked input of one encoding."""

    frames: FrameStream
    audio: Tensor | None  # float32 [C, N], as long as the video
    fps: Fraction
    sample_rate: int  # Hz
    scale: int  # whole enlargement
    tags: dict[str, str]


def encode(job: EncodeJob, recipe: Recipe, target: Path) -> str:
    """Write `job` to `target`; returns "" or ffmpeg's own words when it failed."""
    height, width = _even_size(job) if recipe.even_size else (job.frames.height, job.frames.width)
    size = f"{width}x{height}"
    raw = ["-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", size]
    with tempfile.TemporaryDirectory(prefix="jova-") as folder:
        tag_inputs, tag_outputs = tag_arguments(job.tags, Path(folder), index=1)
        inputs = [*raw, "-framerate", str(job.fps), "-i", "pipe:0", *tag_inputs]
        outputs = ["-map", "0:v", *tag_outputs]
        if job.audio is not None:
            samples = Path(folder) / "audio.f32"
            _write_samples(samples, job.audio)
            layout, more = layout_arguments(recipe.audio_args[1], job.audio, job.sample_rate)
            form = ["-f", "f32le", "-ar", str(job.sample_rate), "-ch_layout", layout]
            inputs += [*form, "-i", str(samples)]
            outputs += ["-map", "2:a", *recipe.audio_args, *more]
        video = ["-vf", _filters(job, recipe), *recipe.video_args]
        target_args = [*recipe.container_args, *_BITEXACT, "-f", recipe.format, file_url(target)]
        pixels = (
            memoryview(_padded(chunk, height, width).numpy()).cast("B")
            for chunk in job.frames.checked()
        )
        status, log = feed_ffmpeg(["-v", "error", *inputs, *outputs, *video, *target_args], pixels)
    words = log.decode("utf-8", "replace")
    # Some versions end a full disk with exit status 0.
    failed = status != 0 or "No space left" in words
    return (words.strip() or f"exit status {status}") if failed else ""


def _even_size(job: EncodeJob) -> tuple[int, int]:
    """Height and width, each one more where the enlarged side would be odd."""
    height, width = job.frames.height, job.frames.width
    return height + height * job.scale % 2, width + width * job.scale % 2


def _padded(frames: Tensor, height: int, width: int) -> Tensor:
    """Repeat the last row or column where one is missing."""
    if frames.shape[1] < height:
        frames = torch.cat([frames, frames[:, -1:]], dim=1)
    if frames.shape[2] < width:
        frames = torch.cat([frames, frames[:, :, -1:]], dim=2)
    return frames


def _filters(job: EncodeJob, recipe: Recipe) -> str:
    """Return ffmpeg's filter chain: enlarge and convert, trim the padding to one row, tag.

    The recipe's own filters follow.
    """
    height, width = job.frames.height * job.scale, job.frames.width * job.scale
    flags = f"flags={recipe.scaler}+accurate_rnd+full_chroma_int+full_chroma_inp"
    matrix = ":out_color_matrix=bt709:out_range=tv" if recipe.bt709 else ""
    chain = [
        f"scale=iw*{job.scale}:ih*{job.scale}:{flags}{matrix}",
        f"format={recipe.pixel_format}",
    ]
    if recipe.even_size and (height % 2 or width % 2):
        chain.append(f"crop={width + width % 2}:{height + height % 2}:0:0")
    if recipe.bt709:
        chain.append("setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709")
    if recipe.filters:
        chain.append(recipe.filters)
    return ",".join(chain)


def _write_samples(path: Path, audio: Tensor) -> None:
    """Write `audio` [C, N] as interleaved little-endian floats, some at a time."""
    with path.open("wb") as file:
        for block in audio.split(_BLOCK, dim=1):
            file.write(block.T.contiguous().numpy().astype("<f4", copy=False).tobytes())
