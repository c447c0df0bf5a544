"""The operations every layer is made of; they know tensors only."""

from .reference import Layout, apply_rope, attention, gated_add, modulate, split_heads

__all__ = ["Layout", "apply_rope", "attention", "gated_add", "modulate", "split_heads"]
