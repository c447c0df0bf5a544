"""The operations of a JoVA layer in plain torch: specification, fallback and test oracle.

Legend: B batch, S tokens of the joint sequence, D channels, H heads, d channels of a head,
G modulation groups. A `layout` lists how tokens share modulation: `((1, 48), (9, 16))` is one group
of 48 tokens (text) followed by nine groups of 16 (latent frames). `rows` counts the tokens of each
segment with weights of its own. Norm statistics and rotations are fp32 or better.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .plan import AttentionPlan, planned_attention

Layout = tuple[tuple[int, int], ...]
Rope = tuple[Tensor, Tensor]
EPS = 1e-6  # of every norm; HunyuanVideo's and Flux's


def layer_norm_modulate(x: Tensor, shift: Tensor, scale: Tensor, layout: Layout) -> Tensor:
    """LayerNorm(x) · (1 + scale) + shift; x `[B, S, D]`, shift and scale `[B, G, D]`."""
    normed = F.layer_norm(x, x.shape[-1:], eps=EPS)
    return _by_group(normed, layout, lambda n, m, s: torch.addcmul(m, n, 1 + s), shift, scale)


def gated_residual(x: Tensor, y: Tensor, gate: Tensor, layout: Layout) -> Tensor:
    """x + gate · y; x and y `[B, S, D]`, gate `[B, G, D]`."""
    return x + _by_group(y, layout, lambda part, g: part * g, gate)


def gated_residual_layer_norm_modulate(
    x: Tensor, y: Tensor, gate: Tensor, shift: Tensor, scale: Tensor, layout: Layout
) -> tuple[Tensor, Tensor]:
    """The residual sum of a layer's first half, and what enters its second: both `[B, S, D]`."""
    x = gated_residual(x, y, gate, layout)
    return x, layer_norm_modulate(x, shift, scale, layout)


def qk_norm_rope(qkv: Tensor, weights: Tensor, rope: Rope, rows: Sequence[int]) -> Tensor:
    """RMS norm of queries and keys, then their rotation; values stay.

    qkv `[B, S, 3, H, d]`, norm weights `[segments, 2, d]`; rope is cos and sin `[S, d/2]`, by which
    neighbouring channel pairs turn (text: by 0).
    """
    parts = qkv[:, :, :2].split(list(rows), dim=1)
    normed = torch.cat(
        [
            F.rms_norm(part, part.shape[-1:], eps=EPS) * weight[:, None].to(part.dtype)
            for part, weight in zip(parts, weights, strict=True)
        ],
        dim=1,
    )
    cos, sin = (part[:, None, None] for part in rope)
    wide = normed.to(torch.promote_types(normed.dtype, cos.dtype))
    return torch.cat((rotate(wide, cos, sin).to(qkv.dtype), qkv[:, :, 2:]), dim=2)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn neighbouring channel pairs of x `[..., d]` by angles `[..., d/2]` (arXiv 2104.09864)."""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


def gelu(x: Tensor) -> Tensor:
    """GELU by its tanh approximation."""
    return F.gelu(x, approximate="tanh")


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """gelu(x Wᵀ + b), the first half of an MLP."""
    return gelu(F.linear(x, weight, bias))


def joint_attention(qkv: Tensor, plan: AttentionPlan) -> Tensor:
    """Attention of the joint sequence `[B, S, 3, H, d]` by a plan → `[B, S, H·d]`."""
    return planned_attention(*split_heads(qkv), plan=plan, attend=attention)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v over all tokens, no mask; `[B, H, N, d]` → `[B, N, H·d]`."""
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def split_heads(qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Packed `[B, S, 3, H, d]` → q, k, v as views, each `[B, H, S, d]`."""
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    return q, k, v


def _by_group(x: Tensor, layout: Layout, fn: Callable[..., Tensor], *values: Tensor) -> Tensor:
    """`fn(tokens [B, g, n, D], *values [B, g, 1, D])` for each entry (g, n) of the layout."""
    parts, token, group = [], 0, 0
    for groups, count in layout:
        if groups and count:
            tokens = x[:, token : token + groups * count].unflatten(1, (groups, count))
            chosen = (value[:, group : group + groups].unsqueeze(2) for value in values)
            parts.append(fn(tokens, *chosen).flatten(1, 2))
        token, group = token + groups * count, group + groups
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
