"""A preview of latents without decoding: one colour per cell, by a matrix product."""

from dataclasses import dataclass

import torch
from torch import Tensor

Colours = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, kw_only=True)
class PreviewFactors:
    """RGB in -1 … 1 of a cell = normalised latent `[C]` · factors `[C, 3]` + bias `[3]`."""

    factors: Colours
    bias: tuple[float, float, float]


# Least squares on 750 training clips of the mini's data: latents normalised by the checkpoint's
# statistics against the mean colour of the 8 x 8 pixels (and four frames) of a cell.
# R² = 0.999 on the 240 held-out clips; renew it when the codec is trained anew.
PREVIEW: dict[str, PreviewFactors] = {
    "jova-mini-video": PreviewFactors(
        factors=(
            (0.3404, 0.3644, 0.3746),
            (-0.3279, 0.0035, 0.2611),
            (0.0289, -0.0656, 0.0417),
            (0.0340, -0.0681, 0.0398),
            (-0.0459, 0.1048, -0.0658),
            (0.0034, 0.0049, -0.0017),
            (0.0003, 0.0004, 0.0010),
            (-0.0024, 0.0037, -0.0001),
            (0.0015, -0.0034, -0.0020),
            (-0.0060, -0.0012, -0.0005),
            (0.0008, -0.0005, -0.0010),
            (-0.0002, -0.0008, 0.0011),
            (-0.0015, 0.0036, -0.0020),
            (0.0008, 0.0022, -0.0001),
            (0.0024, -0.0011, 0.0004),
            (-0.0032, -0.0009, 0.0027),
        ),
        bias=(0.2344, 0.1254, 0.0006),
    )
}


def preview_frames(latent: Tensor, preview: PreviewFactors) -> Tensor:
    """uint8 `[T, h, w, 3]` of a normalised video latent `[C, T, h, w]`, one pixel per cell."""
    factors = torch.tensor(preview.factors, dtype=latent.dtype, device=latent.device)
    bias = torch.tensor(preview.bias, dtype=latent.dtype, device=latent.device)
    colours = latent.movedim(0, -1)[..., : len(factors)] @ factors + bias
    return ((colours + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
