"""The operations as launches of Triton kernels, one each, with gradients by the `jova::` ops.

Which calls they take stands here and needs no Triton; `triton_kernels` is imported to launch.
"""

import importlib.util
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from . import eager
from .plan import AttentionPlan
from .reference import EPS, Layout, Rope

if TYPE_CHECKING:
    from .dispatch import Call

INSTALLED = importlib.util.find_spec("triton") is not None
DTYPES = (torch.float16, torch.bfloat16, torch.float32)
# Channels of a head that the kernels hold in registers, in pairs that turn together.
NARROWEST, WIDEST = 8, 256
TOKENS, HEADS = 4, 8  # of a tile of qk_norm_rope: 72 registers at 128 channels and 4 warps
COLUMNS = 1024  # of a tile of gelu: 16 bytes a thread and load in half precision


def refusal(call: "Call") -> str | None:
    """Why they do not run a call, None if they do."""
    if call.op in ("linear_gelu", "joint_attention") and (call.recording or call.compiling):
        return "its products are a library's, which records gradients without it"
    if call.op == "joint_attention" and call.forced != "triton":
        return "attention is torch's, which is faster on a GPU than a kernel of ours was"
    if not INSTALLED:
        return "triton is not installed"
    if call.device != "cuda" and not (call.device == "cpu" and interpreting()):
        return f"the tensors are on {call.device} and TRITON_INTERPRET is not 1"
    if call.dtype not in DTYPES:
        return f"it has no kernels for {call.dtype}"
    fits = NARROWEST <= call.width <= WIDEST and call.width % 2 == 0
    if call.op == "qk_norm_rope" and not fits:
        return f"heads must have an even width of {NARROWEST} to {WIDEST} channels"
    return None


def interpreting() -> bool:
    """Whether Triton's interpreter is asked for, which runs kernels on CPU tensors."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def layer_norm_modulate(
    x: Tensor, shift: Tensor, scale: Tensor, layout: Layout, *, out: Tensor | None = None
) -> Tensor:
    """As in `reference`."""
    out = _new(x) if out is None else out
    _rows(x, layout, h=out, shift=shift, scale=scale)
    return out


def gated_residual(
    x: Tensor, y: Tensor, gate: Tensor, layout: Layout, *, out: Tensor | None = None
) -> Tensor:
    """As in `reference`."""
    out = _new(x) if out is None else out
    _rows(x, layout, y=y, gate=gate, out=out)
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
    """As in `reference`; the norm is taken of the sum before it is rounded."""
    out = _new(x) if out is None else out
    h = _new(x)
    _rows(x, layout, y=y, gate=gate, out=out, h=h, shift=shift, scale=scale)
    return out, h


def qk_norm_rope(
    qkv: Tensor, weights: Tensor, rope: Rope, rows: Sequence[int], *, out: Tensor | None = None
) -> Tensor:
    """As in `reference`."""
    import triton

    from .triton_kernels import _qk_norm_rope_kernel

    batch, tokens, _, heads, width = qkv.shape
    if out is None:
        out = _new(qkv)
    if out is not qkv:
        out[:, :, 2] = qkv[:, :, 2]
    if qkv.numel() == 0:
        return out
    cos, sin = (part.contiguous() for part in rope)
    _qk_norm_rope_kernel[triton.cdiv(tokens, TOKENS), triton.cdiv(heads, HEADS), 2 * batch](
        qkv, out, weights.contiguous(), cos, sin, _segment_of(tuple(rows), qkv.device),
        *qkv.stride()[:3], *out.stride()[:3], tokens, heads, EPS,
        WIDTH=width, PADDED=triton.next_power_of_2(width), TOKENS=TOKENS, HEADS=HEADS,
        num_warps=4,
    )  # fmt: skip
    return out


def gelu(x: Tensor, *, out: Tensor | None = None) -> Tensor:
    """As in `reference`."""
    import triton

    from .triton_kernels import _gelu_kernel

    out = _new(x) if out is None else out
    if x.numel() == 0:
        return out
    source, target = (t if t.ndim == 3 else t.reshape(1, -1, t.shape[-1]) for t in (x, out))
    batch, tokens, width = source.shape
    _gelu_kernel[tokens, triton.cdiv(width, COLUMNS), batch](
        source, target, *source.stride()[:2], *target.stride()[:2], width,
        BLOCK=COLUMNS, num_warps=4,
    )  # fmt: skip
    return out


def joint_attention(qkv: Tensor, plan: AttentionPlan) -> Tensor:
    """As in `eager`, so that a network runs whole where these kernels are forced."""
    return eager.joint_attention(qkv, plan)


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As in `reference`: the library's product, then the kernel on it."""
    hidden = F.linear(x, weight, bias)
    return gelu(hidden, out=hidden)


def _new(x: Tensor) -> Tensor:
    """An empty contiguous tensor like x, which may be a view."""
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def row_warps(block: int) -> int:
    """Warps of a row kernel: 16 bytes a thread and load, at most 8."""
    return min(8, max(1, block // 512))


def _rows(
    x: Tensor,
    layout: Layout,
    *,
    y: Tensor | None = None,
    gate: Tensor | None = None,
    out: Tensor | None = None,
    h: Tensor | None = None,
    shift: Tensor | None = None,
    scale: Tensor | None = None,
) -> None:
    import triton

    from .triton_kernels import _rows_kernel

    batch, tokens, width = x.shape
    if x.numel() == 0:
        return
    rows = [x if t is None else t for t in (x, y, out, h)]
    groups = [x if t is None else t.expand(batch, -1, -1) for t in (gate, shift, scale)]
    strides = [stride for t in (*rows, *groups) for stride in t.stride()[:2]]
    block = triton.next_power_of_2(width)
    _rows_kernel[tokens, batch](
        *rows, *groups, _group_of(layout, x.device), *strides, width, EPS,
        RESIDUAL=out is not None, NORM=h is not None, BLOCK=block, num_warps=row_warps(block),
    )  # fmt: skip


@lru_cache(maxsize=64)
def _group_of(layout: Layout, device: torch.device) -> Tensor:
    """int32 `[S]`: the modulation group of every token."""
    counts = [count for groups, count in layout for _ in range(groups)]
    return _numbered(counts, device)


@lru_cache(maxsize=64)
def _segment_of(rows: tuple[int, ...], device: torch.device) -> Tensor:
    """int32 `[S]`: the segment of every token."""
    return _numbered(list(rows), device)


def _numbered(counts: list[int], device: torch.device) -> Tensor:
    number = torch.arange(len(counts), dtype=torch.int32)
    return number.repeat_interleave(torch.tensor(counts, dtype=torch.int64)).to(device)
