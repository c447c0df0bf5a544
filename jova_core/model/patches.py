"""Latents ↔ tokens. Legend: B batch, C channels, T latent frames, H W rows and columns, p patch."""

import torch.nn.functional as F
from torch import Tensor


def video_tokens(x: Tensor, patch: tuple[int, int, int]) -> tuple[Tensor, tuple[int, int, int]]:
    """`[B, C, T, H, W]` → `[B, T·h·w, C·p·p]` and the grid (T, h, w); edges are padded with 0."""
    _, rows, columns = patch
    x = F.pad(x, (0, -x.shape[4] % columns, 0, -x.shape[3] % rows))
    frames, h, w = x.shape[2], x.shape[3] // rows, x.shape[4] // columns
    x = x.unflatten(4, (w, columns)).unflatten(3, (h, rows))
    return x.permute(0, 2, 3, 5, 1, 4, 6).flatten(4, 6).flatten(1, 3), (frames, h, w)


def video_latent(
    tokens: Tensor, grid: tuple[int, int, int], patch: tuple[int, int, int], size: tuple[int, int]
) -> Tensor:
    """The inverse of `video_tokens`, cropped to `size` = (H, W)."""
    _, rows, columns = patch
    x = tokens.unflatten(1, grid).unflatten(4, (-1, rows, columns))
    x = x.permute(0, 4, 1, 2, 5, 3, 6).flatten(5, 6).flatten(3, 4)
    return x[..., : size[0], : size[1]]


def audio_tokens(x: Tensor, patch: int) -> Tensor:
    """`[B, C, L]` → `[B, L/p, C·p]`; the end is padded with 0."""
    x = F.pad(x, (0, -x.shape[2] % patch))
    return x.unflatten(2, (-1, patch)).permute(0, 2, 1, 3).flatten(2)


def audio_latent(tokens: Tensor, patch: int, length: int) -> Tensor:
    """The inverse of `audio_tokens`, cropped to `length`."""
    return tokens.unflatten(2, (-1, patch)).permute(0, 2, 1, 3).flatten(2)[..., :length]
