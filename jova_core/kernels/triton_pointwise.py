"""The operations around the products and the attention as Triton kernels: one launch each.

Numbers are fp32 from load to store. Bytes per token, in units of one pass over `[token, D]`:
layer_norm_modulate 2, gated_residual 3, both together 4, qk_norm_rope 4, gelu of 4·D 8.
Only `dispatch` imports this module, as it needs Triton.
"""
# ruff: noqa: ANN001, ANN202 - the arguments of kernels are pointers, strides and sizes

from collections.abc import Sequence
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from .reference import EPS, Layout, Rope

TOKENS, HEADS = 4, 8  # of a tile of qk_norm_rope: 72 registers at 128 channels and 4 warps
COLUMNS = 1024  # of an activation's tile: 16 bytes a thread and load in half precision


@triton.jit
def _rows_kernel(
    x, y, out, h, gate, shift, scale, group_of,
    x_batch, x_row, y_batch, y_row, out_batch, out_row, h_batch, h_row,
    gate_batch, gate_group, shift_batch, shift_group, scale_batch, scale_group,
    width, eps,
    RESIDUAL: tl.constexpr, NORM: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One token a program: x + gate · y into `out`, then its modulated LayerNorm into `h`."""
    row, batch = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    group = tl.load(group_of + row).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    value = tl.load(x + batch * x_batch + row * x_row + columns, mask=inside, other=0.0)
    value = value.to(tl.float32)
    if RESIDUAL:
        added = tl.load(y + batch * y_batch + row * y_row + columns, mask=inside, other=0.0)
        by = tl.load(
            gate + batch * gate_batch + group * gate_group + columns, mask=inside, other=0.0
        )
        value += by.to(tl.float32) * added.to(tl.float32)
        tl.store(
            out + batch * out_batch + row * out_row + columns,
            value.to(out.dtype.element_ty),
            mask=inside,
        )
    if NORM:
        mean = tl.sum(value, axis=0) / width
        centred = tl.where(inside, value - mean, 0.0)
        rstd = tl.rsqrt(tl.sum(centred * centred, axis=0) / width + eps)
        place = batch * scale_batch + group * scale_group + columns
        factor = tl.load(scale + place, mask=inside, other=0.0).to(tl.float32)
        place = batch * shift_batch + group * shift_group + columns
        moved = tl.load(shift + place, mask=inside, other=0.0).to(tl.float32)
        normed = centred * rstd * (1.0 + factor) + moved
        tl.store(
            h + batch * h_batch + row * h_row + columns, normed.to(h.dtype.element_ty), mask=inside
        )


@triton.jit
def _qk_norm_rope_kernel(
    qkv, out, weights, cos, sin, segment_of,
    qkv_batch, qkv_row, qkv_part, out_batch, out_row, out_part,
    tokens, heads, eps,
    WIDTH: tl.constexpr, PADDED: tl.constexpr, TOKENS: tl.constexpr, HEADS: tl.constexpr,
):  # fmt: skip
    """A tile of TOKENS × HEADS of the queries or keys a program; each token by its segment."""
    token = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    head = tl.program_id(1) * HEADS + tl.arange(0, HEADS)
    part, batch = tl.program_id(2) % 2, (tl.program_id(2) // 2).to(tl.int64)
    channel, pair = tl.arange(0, PADDED), tl.arange(0, PADDED // 2)
    is_token, is_channel, is_pair = token < tokens, channel < WIDTH, pair < WIDTH // 2
    row = token.to(tl.int64)

    inner = head[None, :, None] * WIDTH + channel[None, None, :]
    inside = is_token[:, None, None] & (head < heads)[None, :, None] & is_channel[None, None, :]
    place = batch * qkv_batch + part * qkv_part + row[:, None, None] * qkv_row + inner
    x = tl.load(qkv + place, mask=inside, other=0.0).to(tl.float32)  # [TOKENS, HEADS, PADDED]

    segment = tl.load(segment_of + token, mask=is_token, other=0)
    place = (segment * 2 + part)[:, None] * WIDTH + channel[None, :]
    weight = tl.load(weights + place, mask=is_token[:, None] & is_channel[None, :], other=0.0)
    rstd = tl.rsqrt(tl.sum(x * x, axis=2) / WIDTH + eps)
    x = x * rstd[:, :, None] * weight.to(tl.float32)[:, None, :]

    place = row[:, None] * (WIDTH // 2) + pair[None, :]
    turns = is_token[:, None] & is_pair[None, :]
    c = tl.load(cos + place, mask=turns, other=0.0).to(tl.float32)[:, None, :]
    s = tl.load(sin + place, mask=turns, other=0.0).to(tl.float32)[:, None, :]
    even, odd = tl.split(tl.reshape(x, (TOKENS, HEADS, PADDED // 2, 2)))
    turned = tl.join(even * c - odd * s, even * s + odd * c)
    turned = tl.reshape(turned, (TOKENS, HEADS, PADDED))
    place = batch * out_batch + part * out_part + row[:, None, None] * out_row + inner
    tl.store(out + place, turned.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _activation_kernel(
    x, out, x_batch, x_row, out_batch, out_row, width,
    GATED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """BLOCK columns of a row a program: gelu(x), or silu(first half) · second half."""
    columns = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, batch = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    inside = columns < width
    start = x + batch * x_batch + row * x_row
    a = tl.load(start + columns, mask=inside, other=0.0).to(tl.float32)
    if GATED:
        b = tl.load(start + width + columns, mask=inside, other=0.0).to(tl.float32)
        value = a * tl.sigmoid(a) * b
    else:
        # ½ (1 + tanh(z)) = sigmoid(2 z), with z = √(2/π) (a + 0.044715 a³).
        value = a * tl.sigmoid(1.5957691216057308 * (a + 0.044715 * a * a * a))
    place = out + batch * out_batch + row * out_row + columns
    tl.store(place, value.to(out.dtype.element_ty), mask=inside)


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
    batch, tokens, _, heads, width = qkv.shape
    if out is None:
        out = _new(qkv)
    if out is not qkv:
        out[:, :, 2] = qkv[:, :, 2]
    if qkv.numel() == 0:
        return out
    grid = (triton.cdiv(tokens, TOKENS), triton.cdiv(heads, HEADS), 2 * batch)
    cos, sin = (part.contiguous() for part in rope)
    _qk_norm_rope_kernel[grid](
        qkv, out, weights.contiguous(), cos, sin, _segment_of(tuple(rows), qkv.device),
        *qkv.stride()[:3], *out.stride()[:3], tokens, heads, EPS,
        WIDTH=width, PADDED=triton.next_power_of_2(width), TOKENS=TOKENS, HEADS=HEADS,
        num_warps=4,
    )  # fmt: skip
    return out


def gelu(x: Tensor, *, out: Tensor | None = None) -> Tensor:
    """As in `reference`."""
    out = _new(x) if out is None else out
    _activate(x, out, gated=False)
    return out


def swiglu(x: Tensor) -> Tensor:
    """As in `reference`."""
    shape = (*x.shape[:-1], x.shape[-1] // 2)
    out = torch.empty(shape, dtype=x.dtype, device=x.device)
    _activate(x, out, gated=True)
    return out


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As in `reference`: the library's product, then the kernel on it."""
    hidden = torch.nn.functional.linear(x, weight, bias)
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
    batch, tokens, width = x.shape
    if x.numel() == 0:
        return
    rows = [x if t is None else t for t in (x, y, out, h)]
    groups = [x if t is None else t.expand(batch, -1, -1) for t in (gate, shift, scale)]
    strides = [stride for t in (*rows, *groups) for stride in t.stride()[:2]]
    block = triton.next_power_of_2(width)
    _rows_kernel[(tokens, batch)](
        *rows, *groups, _group_of(layout, x.device), *strides, width, EPS,
        RESIDUAL=out is not None, NORM=h is not None, BLOCK=block, num_warps=row_warps(block),
    )  # fmt: skip


def _activate(x: Tensor, out: Tensor, *, gated: bool) -> None:
    if x.numel() == 0:
        return
    x, out = (t if t.ndim == 3 else t.reshape(1, -1, t.shape[-1]) for t in (x, out))
    batch, tokens, width = out.shape
    grid = (triton.cdiv(width, COLUMNS), tokens, batch)
    _activation_kernel[grid](
        x, out, *x.stride()[:2], *out.stride()[:2], width,
        GATED=gated, BLOCK=COLUMNS, num_warps=4,
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
