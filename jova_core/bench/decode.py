"""`jova bench decode`: latents to a file, in chunks beside whole, in time and in memory."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ..decoding import decode, decode_stream
from ..errors import JoVAError
from ..kernels import fast_fp32
from ..latents import AVLatents, denormalise, latent_shapes
from ..media import write_clip
from ..media.pixels import to_frames
from ..mini import load_pipeline
from ..pipeline import JoVAPipeline, clip_frames
from .timing import rounds

LENGTHS = (2, 20, 60)  # seconds
# In a process of its own, as a process never forgets its peak: MB above the peak of loading and a
# clip of a second.
_PEAK = """
import sys, tempfile
from pathlib import Path
from jova_core.bench import decode as bench
from jova_core.mini import load_pipeline
way, seconds = getattr(bench, sys.argv[1]), float(sys.argv[2])
def peak():
    status = Path("/proc/self/status")
    if status.exists():  # getrusage on Linux begins with the peak of the parent
        lines = status.read_text().splitlines()
        return next(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) / 1024
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
pipeline = load_pipeline()
with tempfile.TemporaryDirectory() as folder:
    way(pipeline, 1.0, Path(folder) / "a.mp4")
    before = peak()
    way(pipeline, seconds, Path(folder) / "a.mp4")
print(peak() - before)
"""


def bench_decode(seconds: float, repeat: int) -> dict[str, Any]:
    """Seconds of decoding and writing a clip, and MB for clips of 2, 20 and 60 s."""
    pipeline = load_pipeline()
    clip_frames(pipeline.timeline, seconds)  # refuses too long clips
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        times = rounds(
            {
                "decode": lambda: decoded(pipeline, seconds),
                "decode_then_write": lambda: whole(pipeline, seconds, path),
                "decode_while_writing": lambda: streamed(pipeline, seconds, path),
            },
            repeat,
        )
    figures: dict[str, Any] = {name: median(values) for name, values in times.items()}
    pairs = zip(times["decode_then_write"], times["decode_while_writing"], strict=True)
    figures["overlap_speedup"] = median(a / b for a, b in pairs)
    for way in ("whole", "streamed"):
        figures[f"{way}_peak_mb"] = {str(n): peak(way, n) for n in LENGTHS}
    return figures


def decoded(pipeline: JoVAPipeline, seconds: float) -> None:
    """Decode a clip of random latents; nothing is written."""
    decode(pipeline, *random_latents(pipeline, seconds))


def streamed(pipeline: JoVAPipeline, seconds: float, path: Path) -> None:
    """Write a clip while it is decoded, as `jova generate` does."""
    decoding = decode_stream(pipeline, *random_latents(pipeline, seconds))
    _write(pipeline, decoding.frames, decoding.audio, path)


@torch.inference_mode()
def whole(pipeline: JoVAPipeline, seconds: float, path: Path) -> None:
    """Decode a clip in one call of each codec, then write it."""
    latents, frames = random_latents(pipeline, seconds)
    raw = denormalise(pipeline.config, latents)
    with fast_fp32():
        video = pipeline.codecs.video.decode(raw.video)
        wave = pipeline.codecs.audio.decode(raw.audio)[0]
    audio = wave[: pipeline.timeline.audio_samples(frames)].clamp(-1, 1)
    _write(pipeline, to_frames(video), audio, path)


def random_latents(pipeline: JoVAPipeline, seconds: float) -> tuple[AVLatents, int]:
    """Normal latents of a clip of any length, and its frames."""
    frames = pipeline.timeline.legal_frames(seconds)
    spec = pipeline.config.video
    shapes = latent_shapes(pipeline.config, frames, height=spec.height, width=spec.width)
    generator = torch.Generator().manual_seed(0)
    video, audio = (torch.randn(shape, generator=generator) for shape in shapes)
    return AVLatents(video=video, audio=audio), frames


def _write(pipeline: JoVAPipeline, frames: Any, audio: torch.Tensor, path: Path) -> None:
    timeline = pipeline.timeline
    rates = {"fps": timeline.fps, "sample_rate": timeline.sample_rate}
    write_clip(path, frames, audio, **rates, scale=4)


def peak(way: str, seconds: float) -> float:
    """MB of a clip beyond one of a second, `whole` or `streamed`."""
    command: list[str] = [sys.executable, "-c", _PEAK, way, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise JoVAError(f"Decoding {seconds:g} s failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)
