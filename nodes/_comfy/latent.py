"""Latent nodes: lengths and empty latents."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ...jova_core.errors import JoVAError
from ...jova_core.latents import AVLatents, latent_shapes
from ...jova_core.pipeline import clip_frames
from ...jova_core.planning import Plan, plan
from ...jova_core.timeline import Timeline
from .media import waveform_of
from .model import model_config
from .streams import nested, read_streams


def empty_latent(model: Any, frames: int, width: int, height: int, batch: int) -> dict[str, Any]:
    """Zeros of both streams for a legal frame count; side 0 is the model's training size.

    Raises JoVAError for an illegal frame count or side.
    """
    config = model_config(model)
    ratio = config.video.spatial_ratio
    if width % ratio or height % ratio:
        raise JoVAError(
            f"Got {width} x {height} px; expected sides that are multiples of {ratio}; change them."
        )
    shapes = latent_shapes(config, frames, batch=batch, height=height, width=width)
    management = comfy.model_management
    kw = {"device": management.intermediate_device(), "dtype": management.intermediate_dtype()}
    video, audio = (torch.zeros(shape, **kw) for shape in shapes)
    return {"samples": nested(AVLatents(video=video, audio=audio))}


def both_streams(latent: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Video and audio of a LATENT. Raises JoVAError unless it holds both."""
    streams = read_streams(latent["samples"])
    if streams.video is None or streams.audio is None:
        missing = "video" if streams.video is None else "audio"
        raise JoVAError(
            f"Got a latent without {missing}; expected both streams; start from Empty JoVA Latent, "
            "or join the streams with Concat AV Latent."
        )
    return streams.video, streams.audio


def frames_at(count: int, video_fps: float, fps: Fraction) -> int:
    """Number of frames at `fps` in `count` frames at `video_fps` (0: the same rate)."""
    return int((count - Fraction(1, 2)) / frame_step(video_fps, fps) - Fraction(1, 10**9)) + 1


def frame_step(video_fps: float, fps: Fraction) -> Fraction:
    """Source frames per frame at `fps`."""
    return Fraction(video_fps).limit_denominator(1001) / fps if video_fps else Fraction(1)


@dataclass(frozen=True, kw_only=True)
class Length:
    """A legal length on a model's timeline, and what a clip of it needs."""

    timeline: Timeline
    frames: int
    needs: Plan

    def outputs(self) -> tuple[int, float, float, int, int, str]:
        """Outputs of JoVA Length, in their order."""
        timeline, frames = self.timeline, self.frames
        seconds, fps = float(timeline.seconds(frames)), float(timeline.fps)
        video, audio = timeline.video_latents(frames), timeline.audio_latents(frames)
        summary = (
            f"{seconds:.2f} s = {frames} frames at {fps:g} fps = {video} video latents and "
            f"{audio} audio latents. At the trained size it needs "
            f"{self.needs.weights / 1e9:.1f} GB for weights in bf16, "
            f"{self.needs.activations / 1e9:.1f} GB for activations and "
            f"{self.needs.decode / 1e9:.1f} GB to decode."
        )
        return frames, seconds, fps, video, audio, summary


def plan_length(
    model: Any, seconds: float, audio: Any, video: Tensor | None, video_fps: float
) -> Length:
    """The length of a video, else of audio, else the legal length nearest to `seconds`."""
    config = model_config(model)
    timeline = Timeline.of(config)
    if video is not None:
        available = frames_at(len(video), video_fps, timeline.fps)
        count = min(available, clip_frames(timeline, timeline.max_seconds))
        frames = timeline.whole_frames(count)
    elif audio is not None:
        wave, rate = waveform_of(audio)
        longest = timeline.max_seconds
        frames = timeline.covering_frames(min(Fraction(wave.shape[1], rate), longest))
    else:
        frames = clip_frames(timeline, seconds)
    return Length(timeline=timeline, frames=frames, needs=plan(config, frames))
