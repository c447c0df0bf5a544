"""Attention of the joint sequence by a plan: all of its ranges in one launch of one Triton kernel.

Flash attention (arXiv 2307.08691): a program holds a tile of queries and goes over the keys that
they see, with the softmax kept as a running maximum and sum in fp32. q, k and v are read where the
projection wrote them. Only `dispatch` imports this module, as it needs Triton.
"""
# ruff: noqa: ANN001, ANN202 - the arguments of kernels are pointers, strides and sizes

import math
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from .dispatch import interpreting
from .plan import AttentionPlan

# The interpreter's own bf16 products are wrong, so it multiplies in fp32.
INTERPRETED = interpreting()


@triton.jit
def _attention_kernel(
    qkv, out, tiles,
    qkv_batch, qkv_row, qkv_part, out_batch, out_row, heads, scale,
    WIDTH: tl.constexpr, PADDED: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
    UPCAST: tl.constexpr,
):  # fmt: skip
    """One tile of queries of one head: `tiles` holds first and last query, first and last key."""
    tile, head = tl.program_id(0), tl.program_id(1) % heads
    batch = (tl.program_id(1) // heads).to(tl.int64)
    query = tl.load(tiles + tile * 4) + tl.arange(0, QUERIES)
    last_query = tl.load(tiles + tile * 4 + 1)
    first_key, last_key = tl.load(tiles + tile * 4 + 2), tl.load(tiles + tile * 4 + 3)
    channel = tl.arange(0, PADDED)
    is_channel, is_query = channel < WIDTH, query < last_query

    start = qkv + batch * qkv_batch + head * WIDTH
    inside = is_query[:, None] & is_channel[None, :]
    q = tl.load(
        start + query.to(tl.int64)[:, None] * qkv_row + channel[None, :], mask=inside, other=0.0
    )
    if UPCAST:
        q = q.to(tl.float32)
    highest = tl.full((QUERIES,), float("-inf"), tl.float32)
    total = tl.zeros((QUERIES,), tl.float32)
    summed = tl.zeros((QUERIES, PADDED), tl.float32)
    for first in range(first_key, last_key, KEYS):
        key = first + tl.arange(0, KEYS)
        is_key = key < last_key
        place = key.to(tl.int64)[:, None] * qkv_row + channel[None, :]
        seen = is_key[:, None] & is_channel[None, :]
        k = tl.load(start + qkv_part + place, mask=seen, other=0.0)
        v = tl.load(start + 2 * qkv_part + place, mask=seen, other=0.0)
        if UPCAST:
            k, v = k.to(tl.float32), v.to(tl.float32)
        scores = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
        scores = tl.where(is_key[None, :], scores, float("-inf"))
        higher = tl.maximum(highest, tl.max(scores, axis=1))
        shrink, weight = tl.exp2(highest - higher), tl.exp2(scores - higher[:, None])
        total = total * shrink + tl.sum(weight, axis=1)
        summed = summed * shrink[:, None]
        summed += tl.dot(weight.to(v.dtype), v, input_precision="ieee")
        highest = higher
    place = batch * out_batch + query.to(tl.int64)[:, None] * out_row
    place += head * WIDTH + channel[None, :]
    tl.store(out + place, (summed / total[:, None]).to(out.dtype.element_ty), mask=inside)


def joint_attention(qkv: Tensor, plan: AttentionPlan) -> Tensor:
    """As in `reference`."""
    batch, tokens, _, heads, width = qkv.shape
    out = torch.empty((batch, tokens, heads * width), dtype=qkv.dtype, device=qkv.device)
    if qkv.numel() == 0:
        return out
    size = tile_size(width, qkv.dtype)
    tiles = _tiles(plan, size["QUERIES"], qkv.device)
    _attention_kernel[(len(tiles), batch * heads)](
        qkv, out, tiles, *qkv.stride()[:3], *out.stride()[:2], heads,
        math.log2(math.e) / math.sqrt(width),
        WIDTH=width, PADDED=max(16, triton.next_power_of_2(width)), UPCAST=INTERPRETED, **size,
    )  # fmt: skip
    return out


def tile_size(width: int, dtype: torch.dtype) -> dict[str, int]:
    """Queries and keys of a tile, warps and stages: what fits the 99 KB of a 4090's multiprocessor.

    Half as many in fp32 and beyond 128 channels, where more warps hold a tile.
    """
    halves = (dtype == torch.float32) + (width > 128)
    return {
        "QUERIES": 128 >> halves,
        "KEYS": 64 >> halves,
        "num_warps": 4 if halves == 1 and width <= 128 else 8,
        "num_stages": 2,
    }


@lru_cache(maxsize=64)
def _tiles(plan: AttentionPlan, queries: int, device: torch.device) -> Tensor:
    """int32 `[tiles, 4]`: first query, last query of the part, first and last key."""
    rows = [
        (first, part.queries[1], *part.keys)
        for part in plan.parts
        for first in range(*part.queries, queries)
    ]
    return torch.tensor(rows, dtype=torch.int32, device=device)
