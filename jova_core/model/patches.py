"""Latents ↔ tokens.

Legend: B batch, C channels, T latent frames, H W rows and columns, L audio latents; a token spans
y rows and x columns, or p audio latents.
"""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor


def video_tokens(x: Tensor, patch: tuple[int, int, int]) -> tuple[Tensor, tuple[int, int, int]]:
    """`[B, C, T, H, W]` → `[B, T·h·w, C·y·x]` and the grid (T, h, w); edges are padded with 0."""
    _, rows, columns = patch
    x = F.pad(x, (0, -x.shape[4] % columns, 0, -x.shape[3] % rows))
    grid = (x.shape[2], x.shape[3] // rows, x.shape[4] // columns)
    return rearrange(x, "b c t (h y) (w x) -> b (t h w) (c y x)", y=rows, x=columns), grid


def video_latent(
    tokens: Tensor, grid: tuple[int, int, int], patch: tuple[int, int, int], size: tuple[int, int]
) -> Tensor:
    """The inverse of `video_tokens`, cropped to `size` = (H, W)."""
    pattern = "b (t h w) (c y x) -> b c t (h y) (w x)"
    (t, h, w), (_, y, x) = grid, patch
    latent = rearrange(tokens, pattern, t=t, h=h, w=w, y=y, x=x)
    return latent[..., : size[0], : size[1]]


def audio_tokens(x: Tensor, patch: int) -> Tensor:
    """`[B, C, L]` → `[B, L/p, C·p]`; the end is padded with 0."""
    return rearrange(F.pad(x, (0, -x.shape[2] % patch)), "b c (l p) -> b l (c p)", p=patch)


def audio_latent(tokens: Tensor, patch: int, length: int) -> Tensor:
    """The inverse of `audio_tokens`, cropped to `length`."""
    return rearrange(tokens, "b l (c p) -> b c (l p)", p=patch)[..., :length]
