"""Guidance: combining the predictions with and without the prompt, each stream with its scale."""

import torch
from torch import Tensor

from ..latents import AVLatents


def classifier_free(
    cond: AVLatents, uncond: AVLatents, *, video_scale: float, audio_scale: float
) -> AVLatents:
    """uncond + scale·(cond − uncond), a scale for each stream (arXiv 2207.12598)."""
    return AVLatents(
        video=_extrapolate(cond.video, uncond.video, video_scale),
        audio=_extrapolate(cond.audio, uncond.audio, audio_scale),
    )


def _extrapolate(cond: Tensor | None, uncond: Tensor | None, scale: float) -> Tensor | None:
    return None if cond is None else torch.lerp(uncond, cond, scale)
