"""The small modules around the blocks: time, vector and text embeddings, refiner, output head.

`ops` is the namespace of layers: `torch.nn` here, `comfy.ops` in ComfyUI.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..kernels import (
    Layout,
    attention,
    in_place,
    layer_norm_modulate,
    linear_gelu,
    linear_into,
    split_heads,
)


def timestep_features(t: Tensor, width: int, max_period: float = 10_000.0) -> Tensor:
    """cos and sin features `[..., width]` of timesteps `[...]` in 0 … 1000, in fp32 (DiT)."""
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=t.device) / half
    angles = t.float()[..., None] * torch.exp(-math.log(max_period) * steps)
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


class VectorEmbed(nn.Module):
    """Linear → SiLU → Linear, for timesteps, pooled text and guidance.

    An embedding added to that of the time has no second bias: the sum needs only one.
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


def joint_linear(x: Tensor, layers: Sequence[nn.Module], rows: Sequence[int]) -> Tensor:
    """Each segment of x `[B, S, K]` through its own layer → one `[B, S, N]`.

    Without gradients a plain layer's product is written in its place, without a copy.
    """
    parts = list(zip(layers, x.split(list(rows), dim=1), strict=True))
    if len(parts) == 1:
        return layers[0](x)
    if not (in_place() and all(map(_is_plain, layers))):
        return torch.cat([layer(part) for layer, part in parts], dim=1)
    out = x.new_empty(*x.shape[:2], layers[0].out_features)
    for (layer, part), target in zip(parts, out.split(list(rows), dim=1), strict=True):
        linear_into(target, part, layer.weight, layer.bias)
    return out


def joint_mlp(x: Tensor, mlps: Sequence[FeedForward], rows: Sequence[int]) -> Tensor:
    """Each segment of x `[B, S, dim]` through its own MLP; one segment's hidden rows at a time."""
    parts = list(zip(mlps, x.split(list(rows), dim=1), strict=True))
    layers = [layer for mlp in mlps for layer in (mlp[0], mlp[2])]
    if not (in_place() and all(map(_is_plain, layers))):
        return torch.cat([mlp(part) for mlp, part in parts], dim=1)
    out = torch.empty_like(x)
    for (mlp, part), target in zip(parts, out.split(list(rows), dim=1), strict=True):
        hidden = linear_gelu(part, mlp[0].weight, mlp[0].bias)
        linear_into(target, hidden, mlp[2].weight, mlp[2].bias)
    return out


def norm_weight(norm: nn.Module, like: Tensor) -> Tensor:
    """The weight `[d]` of an RMS norm; a host may keep it elsewhere or patch it in the call.

    Such a norm is called with a constant: the result is its weight, as ε is nothing beside 64².
    """
    if type(norm) is nn.RMSNorm:
        return norm.weight
    return norm(like.new_full(norm.weight.shape, 64.0))


def _is_plain(layer: nn.Module) -> bool:
    """Whether a layer is nothing but its weight and bias."""
    return type(layer) is nn.Linear and not layer._forward_hooks and not layer._forward_pre_hooks


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
        packed = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1))
        x = x + gate1 * self.proj(attend(*split_heads(packed)))
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
    """LayerNorm · modulate → Linear: tokens `[B, N, dim]` → velocity patches `[B, N, channels]`.

    vec has its SiLU already; `silu` adds a second one.
    """

    def __init__(self, dim: int, channels: int, *, silu: bool, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.silu = silu
        self.mod = ops.Linear(dim, 2 * dim, **kw)
        self.linear = ops.Linear(dim, channels, **kw)

    def forward(self, x: Tensor, vec: Tensor, layout: Layout) -> Tensor:
        shift, scale = self.mod(F.silu(vec) if self.silu else vec).chunk(2, dim=-1)
        return self.linear(layer_norm_modulate(x, shift, scale, layout))


class FinalConv(nn.Module):
    """A velocity latent and a residual of two 3x3 convolutions, which see across tokens' borders.

    U-ViT (arXiv 2209.12152) ends in one convolution for that; between ours, time scales channels.
    """

    def __init__(self, channels: int, width: int, dim: int, *, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.first = ops.Conv2d(2 * channels, width, 3, padding=1, **kw)
        self.mod = ops.Linear(dim, width, **kw)
        self.last = ops.Conv2d(width, channels, 3, padding=1, **kw)

    def forward(self, velocity: Tensor, x: Tensor, vec: Tensor) -> Tensor:
        """Velocity and noisy latent x `[B, C, T, H, W]`, vec `[B, G, dim]`, G 1 or T."""
        count, frames = x.shape[0], x.shape[2]
        both = rearrange(torch.cat((velocity, x), 1), "b c t h w -> (b t) c h w")
        scale = self.mod(vec).expand(-1, frames, -1).flatten(0, 1)[..., None, None]
        hidden = F.silu(self.first(both)) * (1 + scale)
        return velocity + rearrange(self.last(hidden), "(b t) c h w -> b c t h w", b=count)
