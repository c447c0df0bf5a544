"""The two kinds of block: every one attends over audio, text and video tokens at once.

Token order is [audio, text_a, text_v, video]. A stream hands its q, k, v to the block, the block
runs one attention over all of them, and each stream takes its own rows back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import JoVAConfig
from ..kernels import Layout, apply_rope, gated_add, modulate, split_heads
from .layers import FeedForward
from .rope import Rope

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
RunBlock = Callable[..., dict[str, Tensor]]  # called as `call_block` is
DUAL_STREAMS = ("audio", "text_a", "text_v", "video")
SINGLE_STREAMS = ("a", "v")


@dataclass(frozen=True, kw_only=True)
class StreamContext:
    """What a stream of N tokens carries through the blocks unchanged.

    vec: SiLU of the time embedding `[B, G, dim]`, one row for each group of `layout`.
    rope: cos and sin `[N, head_dim/2]`, None for text. position: learned `[N, dim]` or None.
    """

    vec: Tensor
    layout: Layout
    rope: Rope | None = None
    position: Tensor | None = None


class Stream(nn.Module):
    """One stream's share of a sequential block: modulated QKV, out-projection and MLP."""

    def __init__(self, config: JoVAConfig, *, ops: Any, **kw: Any) -> None:
        super().__init__()
        dim = config.dim
        self.heads = config.heads
        self.mod = ops.Linear(dim, 6 * dim, **kw)
        self.qkv = ops.Linear(dim, 3 * dim, bias=config.qkv_bias, **kw)
        self.q_norm = ops.RMSNorm(config.head_dim, eps=1e-6, **kw)
        self.k_norm = ops.RMSNorm(config.head_dim, eps=1e-6, **kw)
        self.proj = ops.Linear(dim, dim, **kw)
        self.mlp = FeedForward(dim, config.mlp_ratio * dim, ops=ops, **kw)

    def before(self, x: Tensor, context: StreamContext) -> tuple[tuple[Tensor, ...], Any]:
        """q, k, v of these tokens `[B, H, N, d]`, and what `after` needs."""
        shift1, scale1, *rest = self.mod(context.vec).chunk(6, dim=-1)
        h = _enter_attention(x, shift1, scale1, context)
        return _normed_qkv(self, self.qkv(h), context.rope), rest

    def after(self, x: Tensor, attended: Tensor, rest: Any, context: StreamContext) -> Tensor:
        """Both gated residuals: x + g₁·proj(attended), then + g₂·mlp(modulated norm)."""
        gate1, shift2, scale2, gate2 = rest
        x = gated_add(x, self.proj(attended), gate1, context.layout)
        h = modulate(_norm(x), shift2, scale2, context.layout)
        return gated_add(x, self.mlp(h), gate2, context.layout)


class ParallelStream(nn.Module):
    """The Flux form of a single-stream block: attention and MLP side by side, one residual."""

    def __init__(self, config: JoVAConfig, *, ops: Any, **kw: Any) -> None:
        super().__init__()
        dim, hidden = config.dim, config.mlp_ratio * config.dim
        self.heads, self.split = config.heads, (3 * dim, hidden)
        self.mod = ops.Linear(dim, 3 * dim, **kw)
        self.linear1 = ops.Linear(dim, 3 * dim + hidden, **kw)
        self.q_norm = ops.RMSNorm(config.head_dim, eps=1e-6, **kw)
        self.k_norm = ops.RMSNorm(config.head_dim, eps=1e-6, **kw)
        self.linear2 = ops.Linear(dim + hidden, dim, **kw)

    def before(self, x: Tensor, context: StreamContext) -> tuple[tuple[Tensor, ...], Any]:
        """q, k, v of these tokens `[B, H, N, d]`, and what `after` needs."""
        shift, scale, gate = self.mod(context.vec).chunk(3, dim=-1)
        h = _enter_attention(x, shift, scale, context)
        packed, hidden = self.linear1(h).split(self.split, dim=-1)
        return _normed_qkv(self, packed, context.rope), (hidden, gate)

    def after(self, x: Tensor, attended: Tensor, rest: Any, context: StreamContext) -> Tensor:
        """x + g·linear2([attended, GELU(hidden)])."""
        hidden, gate = rest
        out = self.linear2(torch.cat((attended, F.gelu(hidden, approximate="tanh")), dim=-1))
        return gated_add(x, out, gate, context.layout)


class Block(nn.ModuleDict):
    """Streams by name and one joint attention over all of them."""

    def forward(  # type: ignore[override]
        self, x: Mapping[str, Tensor], contexts: Mapping[str, StreamContext], attend: Attention
    ) -> dict[str, Tensor]:
        names = [name for name in self if name in x]
        started = {name: self[name].before(x[name], contexts[name]) for name in names}
        q, k, v = (
            torch.cat(parts, dim=2)
            for parts in zip(*(started[name][0] for name in names), strict=True)
        )
        rows = attend(q, k, v).split([x[name].shape[1] for name in names], dim=1)
        return {
            name: self[name].after(x[name], part, started[name][1], contexts[name])
            for name, part in zip(names, rows, strict=True)
        }


def call_block(
    block: Block,
    _place: tuple[str, int],
    x: dict[str, Tensor],
    contexts: Mapping[str, StreamContext],
    attend: Attention,
) -> dict[str, Tensor]:
    """How a network runs the block at a place such as ("double_block", 0) unless told otherwise."""
    return block(x, contexts, attend)


def dual_block(config: JoVAConfig, *, ops: Any, **kw: Any) -> Block:
    """Four streams with weights of their own."""
    return Block({name: Stream(config, ops=ops, **kw) for name in DUAL_STREAMS})


def single_block(config: JoVAConfig, *, ops: Any, **kw: Any) -> Block:
    """Two streams: [audio, text_a] share weights, [text_v, video] share weights."""
    form = Stream if config.single_form == "sequential" else ParallelStream
    return Block({name: form(config, ops=ops, **kw) for name in SINGLE_STREAMS})


def _norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def _enter_attention(x: Tensor, shift: Tensor, scale: Tensor, context: StreamContext) -> Tensor:
    h = modulate(_norm(x), shift, scale, context.layout)
    return h if context.position is None else h + context.position


def _normed_qkv(stream: Any, packed: Tensor, rope: Rope | None) -> tuple[Tensor, ...]:
    q, k, v = split_heads(packed, stream.heads)
    return apply_rope(stream.q_norm(q), rope), apply_rope(stream.k_norm(k), rope), v
