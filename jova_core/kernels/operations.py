"""Every operation of a layer, a line each; what else it needs follows from the line.

`reference` has the formula, whose signature is the operation's. From the line come the function
that a network calls, which runs what `dispatch` chooses, and the op `jova::<name>`: one node in a
compiled graph, with the gradients of its formula, computed again from the inputs, so that training
keeps no more than those. Where no gradients are recorded an operation may overwrite its first
argument: use what it returns.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

from . import reference
from .dispatch import Call, choose, implementation
from .reference import Layout, Rope

NAMESPACE = "jova"
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Form:
    """How an argument of one type crosses into a torch op, which knows tensors and numbers.

    schema: its part of the op's; pack: the argument → the op's arguments; unpack: back again.
    """

    schema: str
    pack: Callable[[Any], tuple[Any, ...]]
    unpack: Callable[..., Any]

    @property
    def count(self) -> int:
        """How many arguments of the op it becomes."""
        return len(self.schema.split(","))


FORMS = {
    Tensor: Form("Tensor {}", lambda x: (x,), lambda x: x),
    Rope: Form("Tensor cos, Tensor sin", tuple, lambda *rope: rope),
    Layout: Form(
        "SymInt[] {}",
        lambda layout: ([n for entry in layout for n in entry],),
        lambda numbers: tuple(zip(numbers[::2], numbers[1::2], strict=True)),
    ),
    Sequence[int]: Form("SymInt[] {}", lambda rows: (list(rows),), tuple),
}
RETURNS = {Tensor: "Tensor", tuple[Tensor, Tensor]: "(Tensor, Tensor)"}


def in_place() -> bool:
    """Whether operations may write into what they are given: gradients are off, nothing compiles.

    Whether a tensor needs gradients does not matter: checkpointing may need it as it was.
    """
    return not (torch.is_grad_enabled() or torch.compiler.is_compiling())


def _like(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _operation(
    formula: Function, *, gradients: int = 0, into: bool = False, shapes: Callable[..., Any] = _like
) -> Function:
    """The function that a network calls for a formula of `reference`.

    gradients: how many of its first arguments have one; without any it is not an op, as it is made
    of ops that are. into: it may overwrite its first argument. shapes: tensors as it returns them.
    """
    name, names = formula.__name__, list(inspect.signature(formula).parameters)
    op, forms = _op(formula, gradients, shapes) if gradients else (None, ())

    @wraps(formula)
    def run(*arguments: Any, **named: Any) -> Any:
        if named:
            arguments = (*arguments, *(named[key] for key in names[len(arguments) :]))
        x, free = arguments[0], in_place()
        backend = choose(Call.of(name, x))
        if backend == "triton" and not free:
            pairs = zip(forms, arguments, strict=True)
            return op(*(flat for form, value in pairs for flat in form.pack(value)))
        if free and into and backend != "reference":
            return implementation(backend, name)(*arguments, out=x)
        return implementation(backend, name)(*arguments)

    return run


def _op(
    formula: Callable[..., Any], gradients: int, shapes: Callable[..., Any]
) -> tuple[Callable[..., Any], list[Form]]:
    """Register `jova::<name>` with its shapes and its gradient; the op and its arguments' forms."""
    name, signature = formula.__name__, inspect.signature(formula)
    forms = [FORMS[parameter.annotation] for parameter in signature.parameters.values()]
    schema = ", ".join(
        form.schema.format(key) for key, form in zip(signature.parameters, forms, strict=True)
    )
    tensors = schema.count("Tensor")  # they stand before the numbers

    def arguments(flat: Sequence[Any]) -> Iterator[Any]:
        for form in forms:
            yield form.unpack(*flat[: form.count])
            flat = flat[form.count :]

    @torch.no_grad()
    def run(*flat: Any) -> Any:
        return implementation(choose(Call.of(name, flat[0])), name)(*arguments(flat))

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG001
        ctx.save_for_backward(*inputs[:tensors])
        ctx.numbers = inputs[tensors:]

    def gradient(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        kept = [value.detach() for value in ctx.saved_tensors]
        moving = [value.requires_grad_() for value in kept[:gradients]]
        with torch.enable_grad():
            out = formula(*arguments((*kept, *ctx.numbers)))
        rest = len(kept) - gradients + len(ctx.numbers)
        return (*torch.autograd.grad(out, moving, grads), *[None] * rest)

    returns = RETURNS[signature.return_annotation]
    op = torch.library.custom_op(
        f"{NAMESPACE}::{name}", run, mutates_args=(), schema=f"({schema}) -> {returns}"
    )
    op.register_fake(shapes)
    op.register_autograd(gradient, setup_context=keep)
    return op, forms


layer_norm_modulate = _operation(reference.layer_norm_modulate, gradients=3)
gated_residual = _operation(reference.gated_residual, gradients=3, into=True)
gated_residual_layer_norm_modulate = _operation(
    reference.gated_residual_layer_norm_modulate,
    gradients=5,
    into=True,
    shapes=lambda x, *_: (_like(x), _like(x)),
)
qk_norm_rope = _operation(reference.qk_norm_rope, gradients=2, into=True)
gelu = _operation(reference.gelu, gradients=1, into=True)
linear_gelu = _operation(reference.linear_gelu)
joint_attention = _operation(reference.joint_attention)
