"""The small modules around the blocks: time, vector and text embeddings, refiner, output head.

`ops` is the namespace layers come from: `torch.nn` here, `comfy.ops` in ComfyUI.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..kernels import Layout, attention, modulate, split_heads


def timestep_features(t: Tensor, width: int, max_period: float = 10_000.0) -> Tensor:
    """cos and sin features `[..., width]` of timesteps `[...]` in 0 … 1000, in fp32 (DiT)."""
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=t.device) / half
    angles = t.float()[..., None] * torch.exp(-math.log(max_period) * steps)
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


class VectorEmbed(nn.Module):
    """Linear → SiLU → Linear, for timesteps, pooled text and guidance.

    Those that are added to a time embedding have no second bias: the sum needs only one.
    """

    def __init__(self, width: int, dim: int, *, added: bool = False, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.in_layer = ops.Linear(width, dim, **kw)
        self.out_layer = ops.Linear(dim, dim, bias=not added, **kw)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_layer(F.silu(self.in_layer(x)))


class FeedForward(nn.Sequential):
    """Linear → GELU(tanh) → Linear; its keys are `0` and `2`."""

    def __init__(self, dim: int, hidden: int, *, ops: Any, **kw: Any) -> None:
        super().__init__(
            ops.Linear(dim, hidden, **kw),
            nn.GELU(approximate="tanh"),
            ops.Linear(hidden, dim, **kw),
        )


class RefinerBlock(nn.Module):
    """One text block of the refiner: self-attention and MLP, both gated by time (HunyuanVideo)."""

    def __init__(self, dim: int, heads: int, mlp_ratio: int, *, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = ops.LayerNorm(dim, eps=1e-6, **kw)
        self.qkv = ops.Linear(dim, 3 * dim, **kw)
        self.proj = ops.Linear(dim, dim, **kw)
        self.norm2 = ops.LayerNorm(dim, eps=1e-6, **kw)
        self.mlp = nn.Sequential(
            ops.Linear(dim, mlp_ratio * dim, **kw),
            nn.SiLU(),
            ops.Linear(mlp_ratio * dim, dim, **kw),
        )
        self.mod = ops.Linear(dim, 2 * dim, **kw)

    def forward(self, x: Tensor, vec: Tensor, attend: Any) -> Tensor:
        gate1, gate2 = self.mod(F.silu(vec)).unsqueeze(1).chunk(2, dim=-1)
        x = x + gate1 * self.proj(attend(*split_heads(self.qkv(self.norm1(x)), self.heads)))
        return x + gate2 * self.mlp(self.norm2(x))


class TextEmbed(nn.Module):
    """Features of one text encoder `[B, S, width]` → refined tokens `[B, S, dim]`.

    Without refiner blocks it is a single projection. The refiner's vector is its own time embedding
    plus the mean text feature (HunyuanVideo).
    """

    def __init__(self, width: int, config: Any, *, ops: Any, **kw: Any) -> None:
        super().__init__()
        dim = config.dim
        self.time_width = config.time_width
        self.input = ops.Linear(width, dim, **kw)
        blocks = config.text_refiner_blocks
        if blocks:
            self.time_in = VectorEmbed(config.time_width, dim, ops=ops, **kw)
            self.mean_in = VectorEmbed(width, dim, added=True, ops=ops, **kw)
        self.blocks = nn.ModuleList(
            RefinerBlock(dim, config.heads, config.mlp_ratio, ops=ops, **kw) for _ in range(blocks)
        )

    def forward(self, features: Tensor, t: Tensor, attend: Any = attention) -> Tensor:
        x = self.input(features)
        if len(self.blocks):
            time = timestep_features(t, self.time_width).to(features.dtype)
            vec = self.time_in(time) + self.mean_in(features.mean(dim=1))
            for block in self.blocks:
                x = block(x, vec, attend)
        return x


class OutputHead(nn.Module):
    """LayerNorm · modulate → Linear: tokens `[B, N, dim]` → velocity patches `[B, N, channels]`."""

    def __init__(self, dim: int, channels: int, *, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.mod = ops.Linear(dim, 2 * dim, **kw)
        self.linear = ops.Linear(dim, channels, **kw)

    def forward(self, x: Tensor, vec: Tensor, layout: Layout) -> Tensor:
        shift, scale = self.mod(F.silu(vec)).chunk(2, dim=-1)
        return self.linear(modulate(F.layer_norm(x, x.shape[-1:], eps=1e-6), shift, scale, layout))
