"""Attention as a network calls it when its host brings none."""

from torch import Tensor

from . import reference
from .cpu import fast_fp32, upcasts
from .short import ShortAttention, is_short


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v over all tokens, no mask; `[B, H, N, d]` → `[B, N, H·d]`.

    On a CPU half precision is computed in fp32 without gradients, and few tokens by whole matrices
    with them: both are faster there, and as exact.
    """
    if is_short(q, k):
        return ShortAttention.apply(q, k, v).transpose(1, 2).flatten(2)
    if not upcasts(q):
        return reference.attention(q, k, v)
    with fast_fp32():
        return reference.attention(q.float(), k.float(), v.float()).to(q.dtype)
