"""The operations by stock calls that make few passes over memory; without gradients only.

`out` is where a result goes: the input itself overwrites it, None makes a new tensor.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from . import cpu
from .plan import AttentionPlan, planned_attention
from .reference import EPS, Layout, Rope, split_heads

if TYPE_CHECKING:
    from .dispatch import Call


def refusal(call: "Call") -> str | None:
    """Why these do not run a call, None if they do."""
    if call.op == "joint_attention":
        return None
    if call.recording:
        return "it works in place and records no gradients"
    if call.compiling:
        return "the compiler fuses the plain formulas better"
    return None


def layer_norm_modulate(
    x: Tensor, shift: Tensor, scale: Tensor, layout: Layout, *, out: Tensor | None = None
) -> Tensor:
    """As in `reference`."""
    normed = F.layer_norm(x, x.shape[-1:], eps=EPS)
    out = normed if out is None else out
    for tokens, groups, shape in entries(layout):
        part, by = normed[:, tokens].unflatten(1, shape), 1 + scale[:, groups].unsqueeze(2)
        target = out[:, tokens].unflatten(1, shape)
        torch.addcmul(shift[:, groups].unsqueeze(2), part, by, out=target)
    return out


def gated_residual(
    x: Tensor, y: Tensor, gate: Tensor, layout: Layout, *, out: Tensor | None = None
) -> Tensor:
    """As in `reference`."""
    out = started(x, out)
    for tokens, groups, shape in entries(layout):
        part = y[:, tokens].unflatten(1, shape)
        out[:, tokens].unflatten(1, shape).addcmul_(part, gate[:, groups].unsqueeze(2))
    return out


def gated_residual_layer_norm_modulate(
    x: Tensor,
    y: Tensor,
    gate: Tensor,
    shift: Tensor,
    scale: Tensor,
    layout: Layout,
    *,
    out: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """As in `reference`; `out` is for the residual sum."""
    x = gated_residual(x, y, gate, layout, out=out)
    return x, layer_norm_modulate(x, shift, scale, layout)


def qk_norm_rope(
    qkv: Tensor, weights: Tensor, rope: Rope, rows: Sequence[int], *, out: Tensor | None = None
) -> Tensor:
    """As in `reference`; neighbouring channels turn as one complex number.

    On a CPU `out` is not used: the result is laid out as attention there reads fastest, head by
    head and in fp32, with the shape of qkv.
    """
    wide = torch.promote_types(qkv.dtype, rope[0].dtype)
    if qkv.device.type == "cpu":
        out = _by_heads(qkv, wide)
    out = started(qkv, out)
    turn, start = torch.complex(*(part.to(wide) for part in rope))[:, None], 0
    for weight, count in zip(weights.to(wide), rows, strict=True):
        for which in range(2):
            part = out[:, start : start + count, which]
            target = part if part.dtype == wide else part.to(wide)
            square = torch.linalg.vector_norm(target, dim=-1, keepdim=True).square_()
            square.div_(qkv.shape[-1]).add_(EPS)
            target.mul_(square.rsqrt_()).mul_(weight[which])
            pairs = torch.view_as_complex(target.unflatten(-1, (-1, 2)))
            pairs.mul_(turn[start : start + count])
            if target is not part:
                part.copy_(target)
        start += count
    return out


def _by_heads(qkv: Tensor, dtype: torch.dtype) -> Tensor:
    """An empty `[B, S, 3, H, d]` in which the rows of a head are neighbours."""
    batch, tokens, _, heads, width = qkv.shape
    shape = (3, batch, heads, tokens, width)
    return torch.empty(shape, dtype=dtype, device=qkv.device).permute(1, 3, 0, 2, 4)


def gelu(x: Tensor, *, out: Tensor | None = None) -> Tensor:
    """As in `reference`."""
    if out is x:
        return torch.ops.aten.gelu_(x, approximate="tanh")
    value = F.gelu(x, approximate="tanh")
    return value if out is None else out.copy_(value)


def linear_into(out: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """x Wᵀ + b of `[B, n, K]` into `out` `[B, n, N]`, such as a slice of the joint buffer.

    Sample by sample: rows of one sample are neighbours in memory, so that the product reads and
    writes them where they are.
    """
    if cpu.is_slow(x):
        out.copy_(cpu.wide_linear(x, weight, bias))
        return
    for rows, target in zip(x, out, strict=True):
        if bias is None:
            torch.mm(rows, weight.t(), out=target)
        else:
            torch.addmm(bias, rows, weight.t(), out=target)


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As in `reference`; where oneDNN can, it applies GELU to each tile of the product at hand."""
    if cpu.fuses_gelu(x):  # by the op that torch's own compiler uses; it has no public name
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", [], "tanh")
    product = cpu.wide_linear if cpu.is_slow(x) else F.linear
    hidden = product(x, weight, bias)
    return gelu(hidden, out=hidden).to(x.dtype)


def joint_attention(qkv: Tensor, plan: AttentionPlan) -> Tensor:
    """As in `reference`."""
    return planned_attention(*split_heads(qkv), plan=plan, attend=cpu.attention)


def entries(layout: Layout) -> Iterator[tuple[slice, slice, tuple[int, int]]]:
    """Tokens, groups and (groups, tokens of each) of every entry of a layout that has tokens."""
    token = group = 0
    for groups, count in layout:
        if groups and count:
            yield (
                slice(token, token + groups * count),
                slice(group, group + groups),
                (groups, count),
            )
        token, group = token + groups * count, group + groups


def started(x: Tensor, out: Tensor | None) -> Tensor:
    """`out` holding x, to be worked on: x itself where that is `out`, a copy where it is None."""
    if out is None:
        return x.clone()
    return out if out is x else out.copy_(x)
