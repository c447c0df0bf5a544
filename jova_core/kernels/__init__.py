"""The operations every layer is made of; they know tensors only."""

from .cpu import attention, fast_fp32
from .dispatch import NoBackendError, explain, use_backend
from .eager import linear_into
from .operations import (
    gated_residual,
    gated_residual_layer_norm_modulate,
    gelu,
    in_place,
    joint_attention,
    layer_norm_modulate,
    linear_gelu,
    qk_norm_rope,
)
from .plan import AttentionPlan, Mode, planned_attention
from .reference import EPS, Layout, Rope, split_heads

__all__ = [
    "EPS",
    "AttentionPlan",
    "Layout",
    "Mode",
    "NoBackendError",
    "Rope",
    "attention",
    "explain",
    "fast_fp32",
    "gated_residual",
    "gated_residual_layer_norm_modulate",
    "gelu",
    "in_place",
    "joint_attention",
    "layer_norm_modulate",
    "linear_gelu",
    "linear_into",
    "planned_attention",
    "qk_norm_rope",
    "split_heads",
    "use_backend",
]
