"""Attention with gradients over few tokens on a CPU: products of whole matrices, weights kept.

Flash attention spares memory by computing the weights twice. A CPU's bf16 products are several
times faster than its fused attention, and the weights of a few hundred tokens are small, so here
they are computed once, kept in half precision, and everything after the scores is a bf16 product.
"""

from typing import Any

import torch
from torch import Tensor

# Query tokens · key tokens of one head; beyond it the weights outgrow what they save. Ours.
MOST_PAIRS = 1024 * 1024


def is_short(q: Tensor, k: Tensor) -> bool:
    """Whether this way is faster: gradients in bf16 on a CPU, few tokens."""
    place = q.device.type == "cpu" and q.dtype == torch.bfloat16 and torch.is_grad_enabled()
    return place and q.shape[2] * k.shape[2] <= MOST_PAIRS


class ShortAttention(torch.autograd.Function):
    """softmax(q kᵀ / √d) v of `[B, H, N, d]`; scores and their gradients' sums are fp32."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The attended values `[B, H, N, d]`."""
        scores = (q.float() * q.shape[-1] ** -0.5) @ k.float().mT
        weights = scores.softmax(-1).to(q.dtype)
        out = weights @ v
        ctx.save_for_backward(q, k, v, weights, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """∂S = W ∘ (∂W - rowsum(∂O ∘ O)), as in FlashAttention (arXiv 2205.14135, alg. 4)."""
        q, k, v, weights, out = ctx.saved_tensors
        shared = (grad.float() * out.float()).sum(-1, keepdim=True)
        moved = weights.float() * ((grad @ v.mT).float() - shared)
        scores = (moved * q.shape[-1] ** -0.5).to(q.dtype)
        return scores @ k, scores.mT @ q, weights.mT @ grad
