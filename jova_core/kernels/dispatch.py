"""Which implementation of an operation runs: chosen before the call by what each one declares.

`JOVA_KERNELS=triton|kitchen|eager|reference` or `use_backend` forces one; `explain` tells which one
is taken and why the others are not. A backend is a module: it does the operations of which it has a
function, and its `refusal` says which calls it does not take. The reference takes all.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import eager, kitchen, reference, triton

# By preference.
BACKENDS = {"triton": triton, "kitchen": kitchen, "eager": eager, "reference": reference}
VARIABLE = "JOVA_KERNELS"
# A plain value, as the compilers of older torch versions trace no ContextVar.
_state: dict[str, str | None] = {"forced": None}


class NoBackendError(RuntimeError):
    """A forced backend cannot run an operation; says why, and what would."""


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Force a backend, or "auto", for all operations inside the block, of every thread."""
    before, _state["forced"] = _state["forced"], _known(name)
    try:
        yield
    finally:
        _state["forced"] = before


def forced() -> str:
    """The backend that is asked for, or "auto"."""
    return _state["forced"] or _known(os.environ.get(VARIABLE, "auto"))


def _known(name: str) -> str:
    if name not in (*BACKENDS, "auto"):
        raise NoBackendError(
            f"There is no backend {name!r} for {VARIABLE}; use auto, {', '.join(BACKENDS)}."
        )
    return name


class Call(NamedTuple):
    """What a choice depends on: the operation, where and in what type, and how it is run.

    A tuple, as one is made for every operation and a frozen dataclass takes eight times as long.

    width: the last axis of its first tensor. recording: gradients are on. forced: the backend that
    is asked for, or "auto".
    """

    op: str
    device: str
    dtype: torch.dtype
    width: int
    recording: bool = False
    compiling: bool = False
    forced: str = "auto"

    @staticmethod
    def of(op: str, x: Tensor) -> "Call":
        """An operation on x, its first tensor, as things stand."""
        return Call(
            op=op,
            device=x.device.type,
            dtype=x.dtype,
            width=x.shape[-1],
            recording=torch.is_grad_enabled(),
            compiling=torch.compiler.is_compiling(),
            forced=forced(),
        )


def choose(call: Call) -> str:
    """The backend of a call: the forced one, else the first that does not refuse.

    Raises NoBackendError if the forced one refuses.
    """
    if call.forced == "auto":
        return _automatic(call)
    reason = refusal(call.forced, call)
    if reason is not None:
        raise NoBackendError(
            f"The backend {call.forced} cannot run {call.op}: {reason}. "
            f"Without it {_automatic(call)} would; set {VARIABLE}=auto."
        )
    return call.forced


def _automatic(call: Call) -> str:
    return next(name for name in BACKENDS if refusal(name, call) is None)


def refusal(backend: str, call: Call) -> str | None:
    """Why a backend does not run a call, None if it does."""
    if backend == "reference":
        return None
    if not hasattr(BACKENDS[backend], call.op):
        return "it has no such operation"
    return BACKENDS[backend].refusal(call)


def explain(op: str, x: Tensor) -> str:
    """A line for each backend: taken, able, or why not, for an operation on x as things stand."""
    call = Call.of(op, x)
    chosen = choose(call)
    lines = []
    for name in BACKENDS:
        reason = refusal(name, call)
        state = "taken" if name == chosen else "could run it"
        lines.append(f"{name}: {state if reason is None else reason}")
    return "\n".join(lines)


def implementation(backend: str, op: str) -> Callable[..., Any]:
    """The function of a backend that does an operation."""
    return getattr(BACKENDS[backend], op)
