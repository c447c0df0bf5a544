"""The operations every layer is made of; they know tensors only."""

from .plan import AttentionPlan, Mode, planned_attention
from .reference import Layout, apply_rope, attention, gated_add, modulate, split_heads

__all__ = [
    "AttentionPlan",
    "Layout",
    "Mode",
    "apply_rope",
    "attention",
    "gated_add",
    "modulate",
    "planned_attention",
    "split_heads",
]
