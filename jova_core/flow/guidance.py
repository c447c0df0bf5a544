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


def projected_velocity(
    x: AVLatents,
    cond: AVLatents,
    uncond: AVLatents,
    sigma: float,
    *,
    video_scale: float,
    audio_scale: float,
    threshold: float,
) -> AVLatents:
    """`adaptive_projected` of the velocities at x and noise level sigma > 0, stream by stream."""

    def guide(state: Tensor | None, c: Tensor, u: Tensor, scale: float) -> Tensor | None:
        if state is None:
            return None
        x0 = adaptive_projected(state - sigma * c, state - sigma * u, scale, threshold=threshold)
        return (state - x0) / sigma

    return AVLatents(
        video=guide(x.video, cond.video, uncond.video, video_scale),
        audio=guide(x.audio, cond.audio, uncond.audio, audio_scale),
    )


def adaptive_projected(
    cond: Tensor, uncond: Tensor, scale: float, *, threshold: float, eta: float = 0.0
) -> Tensor:
    """APG on data predictions x₀ (arXiv 2410.02416, alg. 1 without momentum).

    The difference is clipped to norm `threshold` (0 = not) and split against `cond`; its parallel
    part, which saturates, counts only `eta`. Norms run over everything but batch and time (dim 2).
    """
    dims = [d for d in range(cond.ndim) if d not in (0, 2)]
    difference = cond - uncond
    if threshold > 0:
        norm = torch.linalg.vector_norm(difference, dim=dims, keepdim=True)
        difference = difference * (threshold / norm.clamp(min=1e-12)).clamp(max=1)
    length = torch.linalg.vector_norm(cond, dim=dims, keepdim=True)
    unit = cond / length.clamp(min=1e-12)
    parallel = (difference * unit).sum(dim=dims, keepdim=True) * unit
    return cond + (scale - 1) * (difference - parallel + eta * parallel)


def _extrapolate(cond: Tensor | None, uncond: Tensor | None, scale: float) -> Tensor | None:
    return None if cond is None else torch.lerp(uncond, cond, scale)
