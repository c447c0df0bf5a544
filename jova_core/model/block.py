"""The two kinds of block: every one attends over audio, text and video tokens at once.

The tokens are one joint sequence, [audio, text_a, text_v, video]. Each stream has weights for its
own rows of it; everything else is done for all rows in one call.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..config import JoVAConfig
from ..kernels import (
    gated_residual,
    gated_residual_layer_norm_modulate,
    gelu,
    in_place,
    layer_norm_modulate,
    qk_norm_rope,
)
from .joint import Joint
from .layers import FeedForward, joint_linear, joint_mlp, norm_weight
from .streams import BRANCHES, DUAL

Attend = Callable[[Tensor], Tensor]  # packed qkv `[B, S, 3, H, d]` → `[B, S, dim]`
RunBlock = Callable[..., Tensor]  # called as `call_block` is


class SequentialStream(nn.Module):
    """The weights of one stream in a sequential block: modulation, attention and MLP."""

    def __init__(self, config: JoVAConfig, *, ops: Any, **kw: Any) -> None:
        super().__init__()
        dim = config.dim
        self.mod = ops.Linear(dim, 6 * dim, **kw)
        self.qkv = ops.Linear(dim, 3 * dim, bias=config.qkv_bias, **kw)
        self.q_norm = ops.RMSNorm(config.head_dim, eps=1e-6, **kw)
        self.k_norm = ops.RMSNorm(config.head_dim, eps=1e-6, **kw)
        self.proj = ops.Linear(dim, dim, **kw)
        self.mlp = FeedForward(dim, config.mlp_ratio * dim, ops=ops, **kw)


class ParallelStream(nn.Module):
    """The weights of one stream in a parallel block, the Flux form: attention beside the MLP."""

    def __init__(self, config: JoVAConfig, *, ops: Any, **kw: Any) -> None:
        super().__init__()
        dim, hidden = config.dim, config.mlp_ratio * config.dim
        self.mod = ops.Linear(dim, 3 * dim, **kw)
        self.linear1 = ops.Linear(dim, 3 * dim + hidden, **kw)
        self.q_norm = ops.RMSNorm(config.head_dim, eps=1e-6, **kw)
        self.k_norm = ops.RMSNorm(config.head_dim, eps=1e-6, **kw)
        self.linear2 = ops.Linear(dim + hidden, dim, **kw)


class Block(nn.ModuleDict):
    """Streams by name and one joint attention over all of them; attention, then MLP."""

    def __init__(self, streams: dict[str, nn.Module], heads: int) -> None:
        super().__init__(streams)
        self.heads = heads

    def forward(self, x: Tensor, joint: Joint, attend: Attend) -> Tensor:  # type: ignore[override]
        """One layer of the joint sequence x `[B, S, dim]`, which may be overwritten."""
        streams, rows = self._select(joint)
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation(streams, joint).chunk(6, dim=-1)
        h = _add_position(layer_norm_modulate(x, shift1, scale1, joint.layout), joint)
        qkv = joint_linear(h, [stream.qkv for stream in streams], rows)
        attn = attend(self._rotate(qkv, streams, joint)).to(x.dtype)
        y = joint_linear(attn, [stream.proj for stream in streams], rows)
        x, h = gated_residual_layer_norm_modulate(x, y, gate1, shift2, scale2, joint.layout)
        y = joint_mlp(h, [stream.mlp for stream in streams], rows)
        return gated_residual(x, y, gate2, joint.layout)

    def _select(self, joint: Joint) -> tuple[list[nn.Module], list[int]]:
        return [self[name] for name in joint.rows], list(joint.rows.values())

    def _rotate(self, qkv: Tensor, streams: Sequence[nn.Module], joint: Joint) -> Tensor:
        """`[B, S, 3·dim]` → `[B, S, 3, H, d]` with normed and rotated queries and keys.

        Kernels may return it in a wider type or another layout.
        """
        norms = [
            torch.stack([norm_weight(norm, qkv) for norm in (stream.q_norm, stream.k_norm)])
            for stream in streams
        ]
        packed = qkv.unflatten(-1, (3, self.heads, -1))
        return qk_norm_rope(packed, torch.stack(norms), joint.rope, list(joint.rows.values()))


class ParallelBlock(Block):
    """The Flux form of a block: attention and MLP side by side, one residual."""

    def forward(self, x: Tensor, joint: Joint, attend: Attend) -> Tensor:  # type: ignore[override]
        """As `Block.forward`."""
        streams, rows = self._select(joint)
        shift, scale, gate = modulation(streams, joint).chunk(3, dim=-1)
        h = _add_position(layer_norm_modulate(x, shift, scale, joint.layout), joint)
        wide = joint_linear(h, [stream.linear1 for stream in streams], rows)
        dim = x.shape[-1]
        attn = attend(self._rotate(wide[..., : 3 * dim], streams, joint)).to(x.dtype)
        hidden = wide[..., 3 * dim :]
        if in_place():
            # The values are used up; the result goes in their place, beside the MLP's half.
            wide[..., 2 * dim : 3 * dim] = attn
            hidden.copy_(gelu(hidden))
            both = wide[..., 2 * dim :]
        else:
            both = torch.cat((attn, gelu(hidden)), dim=-1)
        y = joint_linear(both, [stream.linear2 for stream in streams], rows)
        return gated_residual(x, y, gate, joint.layout)


def call_block(
    block: Block, _place: tuple[str, int], x: Tensor, joint: Joint, attend: Attend
) -> Tensor:
    """The default way to run the block at a place such as ("double_block", 0)."""
    return block(x, joint, attend)


def dual_block(config: JoVAConfig, *, ops: Any, **kw: Any) -> Block:
    """Four streams with weights of their own."""
    streams = {name: SequentialStream(config, ops=ops, **kw) for name in DUAL}
    return Block(streams, config.heads)


def single_block(config: JoVAConfig, *, ops: Any, **kw: Any) -> Block:
    """Two streams: [audio, text_a] share weights, [text_v, video] share weights."""
    sequential = config.single_form == "sequential"
    form, kind = (SequentialStream, Block) if sequential else (ParallelStream, ParallelBlock)
    return kind({name: form(config, ops=ops, **kw) for name in BRANCHES}, config.heads)


def modulation(streams: Sequence[nn.Module], joint: Joint) -> Tensor:
    """Factors of a block side by side, `[B, G, 6·dim]` or `[B, G, 3·dim]`, from the times."""
    each = [stream.mod(joint.vec[name]) for name, stream in zip(joint.rows, streams, strict=True)]
    return torch.cat(each, dim=1)


def _add_position(h: Tensor, joint: Joint) -> Tensor:
    return h if joint.position is None else h + joint.position
