"""Attention as core would have it, or torch's own choice of it where that is faster."""

from typing import Any

import comfy.ldm.modules.attention as core
import comfy.model_management
import torch
import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, *, options: dict[str, Any]) -> Tensor:
    """Attention of `[B, H, N, d]` → `[B, N, H·d]` under core's transformer options."""
    if torch_chooses(q.device, options):
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    return core.optimized_attention(
        q, k, v, q.shape[1], skip_reshape=True, transformer_options=options
    )


def torch_chooses(device: torch.device, options: dict[str, Any]) -> bool:
    """Whether torch picks among its kernels, on NVIDIA cards where nobody asked for others.

    Core gives torch an order of its own, FlashAttention-2 before cuDNN; torch takes cuDNN on a
    Hopper card, which is 1.6 times as fast there (`experiments/gpu.md`).
    """
    asked = "optimized_attention_override" in options
    by_torch = core.optimized_attention is core.attention_pytorch and not asked
    return by_torch and device.type == "cuda" and comfy.model_management.is_nvidia()
