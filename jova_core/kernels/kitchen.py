"""Adapters to comfy-kitchen, the kernels that ComfyUI brings: what it has of a JoVA layer.

One call serves one segment or one modulation entry, as its weights and factors are one a call.
"""

import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .eager import entries, started
from .reference import EPS, Layout, Rope

if TYPE_CHECKING:
    from .dispatch import Call

INSTALLED = importlib.util.find_spec("comfy_kitchen") is not None
DTYPES = (torch.float16, torch.bfloat16, torch.float32)


def refusal(call: "Call") -> str | None:
    """Why it does not run a call, None if it does; unless forced, only where it brings kernels."""
    if not INSTALLED:
        return "comfy-kitchen is not installed"
    if call.recording or call.compiling:
        return "it records no gradients and is not for compiled graphs"
    if call.dtype not in DTYPES:
        return f"it has no kernels for {call.dtype}"
    if call.forced != "kitchen" and not has_fast_backend():
        return "it has no backend here but plain torch"
    return None


@cache
def has_fast_backend() -> bool:
    """Whether it would run more than plain torch here."""
    if not torch.cuda.is_available():
        return False
    import comfy_kitchen

    available = comfy_kitchen.registry.is_available
    return any(available(name) for name in ("cuda", "hip", "triton"))


def layer_norm_modulate(
    x: Tensor, shift: Tensor, scale: Tensor, layout: Layout, *, out: Tensor | None = None
) -> Tensor:
    """As in `reference`."""
    import comfy_kitchen

    out = torch.empty_like(x) if out is None else out
    for tokens, groups, shape in entries(layout):
        part = x[:, tokens].unflatten(1, shape).contiguous()
        factors = (scale[:, groups].unsqueeze(2), shift[:, groups].unsqueeze(2))
        out[:, tokens].unflatten(1, shape).copy_(comfy_kitchen.adaln(part, *factors, EPS))
    return out


def qk_norm_rope(
    qkv: Tensor, weights: Tensor, rope: Rope, rows: Sequence[int], *, out: Tensor | None = None
) -> Tensor:
    """As in `reference`."""
    import comfy_kitchen

    out = started(qkv, out)
    cos, sin = rope
    turn = torch.stack((cos, -sin, sin, cos), dim=-1).unflatten(-1, (2, 2))[None, :, None]
    start = 0
    for weight, count in zip(weights.to(qkv.dtype), rows, strict=True):
        part = slice(start, start + count)
        if count:
            q, k = out[:, part, 0], out[:, part, 1]
            comfy_kitchen.rms_rope_(q, k, turn[:, part], weight[0], weight[1], EPS)
        start += count
    return out
