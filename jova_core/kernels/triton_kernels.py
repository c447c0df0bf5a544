"""The kernels that `triton` launches, one for each operation around the products; it needs Triton.

Numbers are fp32 from load to store. Bytes per token, in units of one pass over `[token, D]`:
layer_norm_modulate 2, gated_residual 3, both together 4, qk_norm_rope 4, gelu of 4·D 8.
"""
# ruff: noqa: ANN001, ANN202 - the arguments of kernels are pointers, strides and sizes

import triton
import triton.language as tl


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
def _gelu_kernel(
    x, out, x_batch, x_row, out_batch, out_row, width,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """BLOCK columns of a row a program; rows on the first axis, as the others end at 65,535."""
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    row, batch = tl.program_id(0).to(tl.int64), tl.program_id(2).to(tl.int64)
    inside = columns < width
    a = tl.load(x + batch * x_batch + row * x_row + columns, mask=inside, other=0.0)
    a = a.to(tl.float32)
    # ½ (1 + tanh(z)) = sigmoid(2 z), with z = √(2/π) (a + 0.044715 a³).
    value = a * tl.sigmoid(1.5957691216057308 * (a + 0.044715 * a * a * a))
    place = out + batch * out_batch + row * out_row + columns
    tl.store(place, value.to(out.dtype.element_ty), mask=inside)
