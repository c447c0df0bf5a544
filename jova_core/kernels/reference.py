"""The four operations of a JoVA layer in plain torch: specification, fallback and test oracle.

Legend: B batch, N tokens, D channels, H heads, d channels of a head, G modulation groups.
A `layout` lists how tokens share modulation: `((1, 48), (9, 16))` is one group of 48 tokens (text)
followed by nine groups of 16 (latent frames).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

Layout = tuple[tuple[int, int], ...]


def modulate(x: Tensor, shift: Tensor, scale: Tensor, layout: Layout) -> Tensor:
    """x · (1 + scale) + shift; x `[B, N, D]`, shift and scale `[B, G, D]`, each for its group."""
    return _by_group(x, layout, lambda part, m, s: torch.addcmul(m, part, 1 + s), shift, scale)


def gated_add(x: Tensor, y: Tensor, gate: Tensor, layout: Layout) -> Tensor:
    """x + gate · y; x and y `[B, N, D]`, gate `[B, G, D]`, each for its group."""
    return x + _by_group(y, layout, lambda part, g: part * g, gate)


def _by_group(x: Tensor, layout: Layout, fn, *values: Tensor) -> Tensor:  # noqa: ANN001
    """`fn(tokens [B, g, n, D], *values [B, g, 1, D])` for each entry (g, n) of the layout."""
    parts, token, group = [], 0, 0
    for groups, count in layout:
        tokens = x[:, token : token + groups * count].unflatten(1, (groups, count))
        chosen = (value[:, group : group + groups].unsqueeze(2) for value in values)
        parts.append(fn(tokens, *chosen).flatten(1, 2))
        token, group = token + groups * count, group + groups
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def split_heads(x: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Packed qkv `[B, N, 3·H·d]` → q, k, v, each `[B, H, N, d]`."""
    packed = x.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    return packed[0], packed[1], packed[2]


def apply_rope(x: Tensor, rope: tuple[Tensor, Tensor] | None) -> Tensor:
    """Rotate neighbouring channel pairs of x `[B, H, N, d]` by angles given as cos, sin `[N, d/2]`.

    Computed in fp32, returned in x's dtype; `None` leaves x as it is (text).
    """
    if rope is None:
        return x
    cos, sin = rope
    pairs = x.float().unflatten(-1, (-1, 2))
    even, odd = pairs[..., 0], pairs[..., 1]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v over all tokens, no mask; `[B, H, N, d]` → `[B, N, H·d]`."""
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
