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


# Least squares on training clips: latents normalised by the checkpoint's statistics against the
# mean colour of the 8 x 8 pixels (and four frames) of a cell. R² on held-out clips is 0.999 and
# 0.995. Renew them by `tools/preview_factors.py` when a codec is trained anew.
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
    ),
    "jova-mini2-video": PreviewFactors(
        factors=(
            (0.0692, 0.0394, 0.0579),
            (-0.0859, 0.0707, 0.1327),
            (0.0474, -0.0082, -0.0103),
            (-0.0105, -0.0579, 0.0624),
            (0.0216, 0.0982, -0.0365),
            (0.0351, 0.0384, 0.0327),
            (-0.0285, -0.0274, -0.0287),
            (0.0385, 0.0181, 0.0185),
            (-0.0083, -0.0215, -0.0803),
            (0.0061, 0.0158, 0.0674),
            (0.0223, 0.0385, 0.0399),
            (0.0590, 0.0096, -0.0046),
            (0.0485, 0.0107, 0.0099),
            (0.0450, 0.0230, -0.0007),
            (0.0337, 0.0444, 0.0265),
            (-0.0536, -0.0163, -0.0074),
        ),
        bias=(0.1042, -0.0301, -0.1108),
    ),
}


def preview_frames(latent: Tensor, preview: PreviewFactors) -> Tensor:
    """uint8 `[T, h, w, 3]` of a normalised video latent `[C, T, h, w]`, one pixel per cell."""
    factors = torch.tensor(preview.factors, dtype=latent.dtype, device=latent.device)
    bias = torch.tensor(preview.bias, dtype=latent.dtype, device=latent.device)
    colours = latent.movedim(0, -1)[..., : len(factors)] @ factors + bias
    return ((colours + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
