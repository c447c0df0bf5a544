"""Attention as a network calls it when its host brings none."""

from torch import Tensor

from . import reference
from .cpu import fast_fp32, upcasts


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v over all tokens, no mask; `[B, H, N, d]` → `[B, N, H·d]`.

    Without gradients, half precision on a CPU is computed in fp32, which is faster there.
    """
    if not upcasts(q):
        return reference.attention(q, k, v)
    with fast_fp32():
        return reference.attention(q.float(), k.float(), v.float()).to(q.dtype)
