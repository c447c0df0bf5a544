"""The operations every layer is made of; they know tensors only."""

from .attend import attention
from .cpu import fast_fp32
from .plan import AttentionPlan, Mode, planned_attention
from .reference import Layout, apply_rope, gated_add, modulate, split_heads

__all__ = [
    "AttentionPlan",
    "Layout",
    "Mode",
    "apply_rope",
    "attention",
    "fast_fp32",
    "gated_add",
    "modulate",
    "planned_attention",
    "split_heads",
]
