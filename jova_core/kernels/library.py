"""The operations as `torch.library` ops: one node in a compiled graph, with gradients.

An op runs what `dispatch` chooses. Its gradient is that of its reference, computed again from the
inputs, so that training keeps no more than those.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .dispatch import Call, choose, implementation, use_backend
from .plan import AttentionPlan, Part
from .reference import Layout

NAMESPACE = "jova"


def call(op: str, tensors: tuple[Any, ...], others: tuple[Any, ...]) -> Any:
    """An operation through its op; `tensors` and `others` as its reference takes them."""
    return getattr(torch.ops.jova, op)(*tensors, *_flat(others))


def _flat(others: tuple[Any, ...]) -> list[Any]:
    """Layouts, ropes and plans as op schemas can hold them: lists of numbers, tensors."""
    flat: list[Any] = []
    for other in others:
        if isinstance(other, AttentionPlan):
            flat.append([n for part in other.parts for n in (*part.queries, *part.keys)])
        elif len(other) == 2 and isinstance(other[0], Tensor):
            flat += other
        else:
            flat.append(
                [n for entry in other for n in (entry if isinstance(entry, tuple) else (entry,))]
            )
    return flat


def _layout(numbers: Sequence[int]) -> Layout:
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _plan(numbers: Sequence[int]) -> AttentionPlan:
    quads = zip(*(numbers[i::4] for i in range(4)), strict=True)
    return AttentionPlan(parts=tuple(Part(queries=(a, b), keys=(c, d)) for a, b, c, d in quads))


def _best(op: str, x: Tensor, *arguments: Any) -> Any:
    return implementation(choose(Call.of(op, x)), op)(x, *arguments)


def _layer_norm_modulate(x: Tensor, shift: Tensor, scale: Tensor, layout: Sequence[int]) -> Tensor:
    return _best("layer_norm_modulate", x, shift, scale, _layout(layout))


def _gated_residual(x: Tensor, y: Tensor, gate: Tensor, layout: Sequence[int]) -> Tensor:
    return _best("gated_residual", x, y, gate, _layout(layout))


def _gated_residual_layer_norm_modulate(
    x: Tensor, y: Tensor, gate: Tensor, shift: Tensor, scale: Tensor, layout: Sequence[int]
) -> tuple[Tensor, Tensor]:
    arguments = (y, gate, shift, scale, _layout(layout))
    return _best("gated_residual_layer_norm_modulate", x, *arguments)


def _qk_norm_rope(
    qkv: Tensor, weights: Tensor, cos: Tensor, sin: Tensor, rows: Sequence[int]
) -> Tensor:
    return _best("qk_norm_rope", qkv, weights, (cos, sin), rows)


def _gelu(x: Tensor) -> Tensor:
    return _best("gelu", x)


def _swiglu(x: Tensor) -> Tensor:
    return _best("swiglu", x)


def _joint_attention(qkv: Tensor, plan: Sequence[int]) -> Tensor:
    return _best("joint_attention", qkv, _plan(plan))


def _same(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _register(run: Callable[..., Any], shape: Callable[..., Any] = _same, tensors: int = 1) -> None:
    """Define `jova::<name>`: what runs, what shapes come out.

    The first `tensors` arguments have gradients.
    """
    name = run.__name__.removeprefix("_")
    op = torch.library.custom_op(f"{NAMESPACE}::{name}", run, mutates_args=())
    op.register_fake(shape)

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG001
        kept = [value for value in inputs if isinstance(value, Tensor)]
        ctx.save_for_backward(*kept)
        ctx.rest = inputs[len(kept) :]

    def gradient(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        with torch.enable_grad(), use_backend("reference"):
            leaves = [value.detach() for value in ctx.saved_tensors]
            moving = [leaf.requires_grad_() for leaf in leaves[:tensors]]
            out = run(*leaves, *ctx.rest)
            found = torch.autograd.grad(out, moving, grads)
        return (*found, *[None] * (len(leaves) - tensors + len(ctx.rest)))

    op.register_autograd(gradient, setup_context=keep)


_register(_layer_norm_modulate, tensors=3)
_register(_gated_residual, tensors=3)
_register(_gated_residual_layer_norm_modulate, lambda x, *_: (_same(x), _same(x)), tensors=5)
_register(_qk_norm_rope, tensors=2)
_register(_gelu)
_register(_swiglu, lambda x: x.new_empty(*x.shape[:-1], x.shape[-1] // 2))
_register(
    _joint_attention, lambda qkv, _: qkv.new_empty(*qkv.shape[:2], qkv.shape[3] * qkv.shape[4])
)
