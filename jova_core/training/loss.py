"""Flow-matching losses of both streams, with extra weight on the mouth (the paper's λ).

Legend: B batch, C channels, T latent frames, H W rows and columns, L audio latents.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..latents import AVLatents
from .settings import TrainSettings

# Less than this share of a stream weighs as if it were as much: else a few latents decide a step.
LEAST_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class LossTerms:
    """Per-sample losses `[B]`: the terms of the objective, and plain parts for the log."""

    video: Tensor
    audio: Tensor
    video_plain: Tensor
    mouth: Tensor
    alignment: Tensor | None = None

    def weighed(self, settings: TrainSettings) -> Tensor:
        """The terms by the weights of the settings, `[B]`: its mean is minimised."""
        loss = settings.video_weight * self.video + settings.audio_weight * self.audio
        if self.alignment is None:
            return loss
        return loss + settings.alignment_weight * self.alignment


def mouth_loss(
    squared: Tensor, mask: Tensor, weight: float, form: Literal["weighted", "area"]
) -> Tensor:
    """Per-sample loss `[B]` of squared errors `[B, C, T, H, W]` and a mouth mask `[B, 1, T, H, W]`.

    weighted: mean((1 + λM) ⊙ e²); area: mean(e²) + λ · mean of e² inside the mask.
    """
    dims = (1, 2, 3, 4)
    if form == "weighted":
        return (squared * (1 + weight * mask)).mean(dim=dims)
    return squared.mean(dim=dims) + weight * masked_mean(squared, mask)


def masked_mean(squared: Tensor, mask: Tensor) -> Tensor:
    """Mean `[B]` of e² inside the mask; 0 for an empty one."""
    dims = (1, 2, 3, 4)
    area = mask.sum(dim=dims) * squared.shape[1]
    return (squared * mask).sum(dim=dims) / area.clamp(min=1)


def flow_losses(
    predicted: AVLatents,
    target: AVLatents,
    masks: tuple[Tensor, Tensor],
    mouth: Tensor,
    *,
    mouth_weight: float,
    mouth_form: Literal["weighted", "area"],
) -> LossTerms:
    """Velocity errors in fp32.

    `masks`, `[B, 1, T, h, w]` and `[B, 1, L]`, are 0 for given latents, which cost nothing, else 1;
    means are over the others.
    A missing stream (in steps of audio alone, or of single pictures) has a loss of 0.
    """
    if predicted.audio is None:
        audio = torch.zeros(len(mouth), device=mouth.device)
    else:
        audio = (predicted.audio.float() - target.audio.float()).square()
        audio = (audio * _weights(masks[1])).mean(dim=(1, 2))
    if predicted.video is None:
        none = torch.zeros_like(audio)
        return LossTerms(video=none, audio=audio, video_plain=none, mouth=none)
    video = (predicted.video.float() - target.video.float()).square() * _weights(masks[0])
    return LossTerms(
        video=mouth_loss(video, mouth, mouth_weight, mouth_form),
        audio=audio,
        video_plain=video.mean(dim=(1, 2, 3, 4)),
        mouth=masked_mean(video, mouth),
    )


def _weights(made: Tensor) -> Tensor:
    """A mask, so scaled for each sample that a mean under it is one over what is made."""
    share = made.flatten(1).mean(1).clamp(min=LEAST_SHARE)
    return made / share.view(-1, *[1] * (made.ndim - 1))


def time_bins(sigma: Tensor, loss: Tensor, bins: int = 5) -> list[float | None]:
    """Mean loss within equal bins of sigma; None for an empty bin. Sigma 0 (given) is skipped."""
    noisy = sigma > 0
    index = (sigma * bins).long().clamp(max=bins - 1)
    losses = [loss[noisy & (index == i)] for i in range(bins)]
    return [round(float(p.mean()), 5) if len(p) else None for p in losses]


def finite(value: Tensor) -> bool:
    """Whether every element is a number."""
    return bool(torch.isfinite(value).all())
