"""The operations of a JoVA layer as the network calls them; `reference` says what each one is.

Where no gradients are recorded an operation may overwrite its first argument: use what it returns.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import eager, library, reference
from .dispatch import Call, choose, fits, implementation
from .plan import AttentionPlan
from .reference import Layout, Rope


def layer_norm_modulate(x: Tensor, shift: Tensor, scale: Tensor, layout: Layout) -> Tensor:
    """LayerNorm(x) · (1 + scale) + shift as a new tensor."""
    return _run("layer_norm_modulate", (x, shift, scale), layout)


def gated_residual(x: Tensor, y: Tensor, gate: Tensor, layout: Layout) -> Tensor:
    """x + gate · y, into x."""
    return _run("gated_residual", (x, y, gate), layout, into=x)


def gated_residual_layer_norm_modulate(
    x: Tensor, y: Tensor, gate: Tensor, shift: Tensor, scale: Tensor, layout: Layout
) -> tuple[Tensor, Tensor]:
    """x + gate · y, into x, and its modulated LayerNorm."""
    tensors = (x, y, gate, shift, scale)
    return _run("gated_residual_layer_norm_modulate", tensors, layout, into=x)


def qk_norm_rope(qkv: Tensor, weights: Tensor, rope: Rope, rows: Sequence[int]) -> Tensor:
    """RMS norm and rotation of q and k, into qkv."""
    return _run("qk_norm_rope", (qkv, weights), rope, tuple(rows), into=qkv)


def gelu(x: Tensor) -> Tensor:
    """GELU by its tanh approximation, into x."""
    return _run("gelu", (x,), into=x)


def swiglu(x: Tensor) -> Tensor:
    """silu(a) · b of x = [a, b]."""
    return _run("swiglu", (x,))


def joint_attention(qkv: Tensor, plan: AttentionPlan) -> Tensor:
    """Attention of the joint sequence by a plan."""
    return _run("joint_attention", (qkv,), plan)


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """gelu(x Wᵀ + b)."""
    return _run("linear_gelu", (x, weight, bias))


def in_place() -> bool:
    """Whether operations may write into what they are given: gradients are off, nothing compiles.

    Whether a tensor needs gradients does not matter: checkpointing may need it as it was.
    """
    return not (torch.is_grad_enabled() or torch.compiler.is_compiling())


def _run(
    op: str,
    tensors: tuple[Any, ...],
    *others: Any,
    into: Tensor | None = None,
) -> Any:
    x, free = tensors[0], in_place()
    backend = _choice(
        op,
        x.device.type,
        x.dtype,
        fits(op, x),
        torch.is_grad_enabled(),
        torch.compiler.is_compiling(),
    )
    if backend == "triton" and not free:
        return library.call(op, tensors, others)
    # Those two by name, as a compiled graph cannot look a module up.
    modules = {"reference": reference, "eager": eager}
    run = getattr(modules[backend], op) if backend in modules else implementation(backend, op)
    if free and into is not None and backend != "reference":
        return run(*tensors, *others, out=into)
    return run(*tensors, *others)


def _choice(
    op: str, device: str, dtype: torch.dtype, fit: bool, recording: bool, compiling: bool
) -> str:
    """A constant of a compiled graph: marked below, as torch's own mark imports its compiler."""
    return choose(
        Call(
            op=op,
            device=device,
            dtype=dtype,
            fits=fit,
            recording=recording,
            compiling=compiling,
        )
    )


_choice._dynamo_marked_constant = True
