"""Which implementation of an operation runs: chosen before the call by what each one declares.

`JOVA_KERNELS=triton|kitchen|eager|reference` or `use_backend` forces one; `explain` tells which one
is taken and why the others are not.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

BACKENDS = ("triton", "kitchen", "eager", "reference")
VARIABLE = "JOVA_KERNELS"
# Channels of a head that the Triton kernels hold in registers, in pairs that turn together.
NARROWEST, WIDEST = 8, 256
_HALVES = (torch.float16, torch.bfloat16)
_forced: ContextVar[str | None] = ContextVar("jova_kernels", default=None)


class NoBackendError(RuntimeError):
    """A forced backend cannot run an operation; says why, and what would."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a choice depends on: the operation, where and in what type, and how it is run.

    fits: heads, where the operation knows them, have a width that kernels hold. recording:
    gradients are on.
    """

    op: str
    device: str
    dtype: torch.dtype
    fits: bool = True
    recording: bool = False
    compiling: bool = False

    @staticmethod
    def of(op: str, x: Tensor, **state: bool) -> "Call":
        """An operation on x, its first tensor; `state` holds recording and compiling."""
        return Call(op=op, device=x.device.type, dtype=x.dtype, fits=fits(op, x), **state)


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Force a backend, or "auto", for the operations of this thread inside the block."""
    token = _forced.set(_known(name))
    try:
        yield
    finally:
        _forced.reset(token)


def choose(call: Call) -> str:
    """The backend of a call: the forced one, else the first that does not refuse.

    Raises NoBackendError if the forced one refuses.
    """
    forced = _asked()
    if forced == "auto":
        return _automatic(call)
    reason = refusal(forced, call)
    if reason is not None:
        raise NoBackendError(
            f"The backend {forced} cannot run {call.op}: {reason}. "
            f"Without it {_automatic(call)} would; set {VARIABLE}=auto."
        )
    return forced


def explain(op: str, x: Tensor) -> str:
    """A line for each backend: taken, able, or why not, for an operation on x as things stand."""
    recording, compiling = torch.is_grad_enabled(), torch.compiler.is_compiling()
    call = Call.of(op, x, recording=recording, compiling=compiling)
    chosen = choose(call)
    lines = []
    for name in BACKENDS:
        reason = refusal(name, call)
        state = "taken" if name == chosen else "could run it"
        lines.append(f"{name}: {state if reason is None else reason}")
    return "\n".join(lines)


def fits(op: str, x: Tensor) -> bool:
    """Whether the Triton kernels hold heads as wide as x has, where the operation knows heads."""
    if op not in ("qk_norm_rope", "joint_attention"):
        return True
    # A branch, as a compiled graph needs a plain bool of a width that it keeps open.
    if NARROWEST <= x.shape[-1] <= WIDEST and x.shape[-1] % 2 == 0:  # noqa: SIM103
        return True
    return False


def refusal(backend: str, call: Call) -> str | None:
    """Why a backend does not run a call, None if it does."""
    if backend == "reference":
        return None
    return _RULES[backend](call)


def implementation(backend: str, op: str) -> Callable[..., Any]:
    """The function of a backend that does an operation."""
    name = _module_of(backend, op)
    return getattr(import_module(f".{name}", __package__), op)


def _asked() -> str:
    return _forced.get() or _known(os.environ.get(VARIABLE, "auto"))


def _known(name: str) -> str:
    if name not in (*BACKENDS, "auto"):
        raise NoBackendError(
            f"There is no backend {name!r} for {VARIABLE}; use auto, {', '.join(BACKENDS)}."
        )
    return name


def _automatic(call: Call) -> str:
    return next(name for name in BACKENDS if refusal(name, call) is None)


def _module_of(backend: str, op: str) -> str:
    if backend != "triton":
        return backend
    return "triton_attention" if op == "joint_attention" else "triton_pointwise"


_TRITON = {
    "layer_norm_modulate",
    "gated_residual",
    "gated_residual_layer_norm_modulate",
    "qk_norm_rope",
    "gelu",
    "swiglu",
    "linear_gelu",
    "joint_attention",
}


def _triton(call: Call) -> str | None:
    return _triton_operation(call) or _triton_place(call)


def _triton_operation(call: Call) -> str | None:
    if call.op not in _TRITON:
        return "there is no Triton kernel for it"
    if call.op == "linear_gelu" and (call.recording or call.compiling):
        return "its product is a library's, which records gradients without it"
    if call.op == "joint_attention" and _asked() != "triton":
        return "no measurement says yet that it is faster than torch's; force it to use it"
    return None


def _triton_place(call: Call) -> str | None:
    if not _installed("triton"):
        return "triton is not installed"
    if call.device != "cuda" and not (call.device == "cpu" and interpreting()):
        return f"the tensors are on {call.device} and TRITON_INTERPRET is not 1"
    if call.dtype not in (*_HALVES, torch.float32):
        return f"it has no kernels for {call.dtype}"
    if not call.fits:
        return f"heads must have an even width of {NARROWEST} to {WIDEST} channels"
    return None


def _kitchen(call: Call) -> str | None:
    if call.op not in ("layer_norm_modulate", "qk_norm_rope"):
        return "comfy-kitchen has no such operation"
    if not _installed("comfy_kitchen"):
        return "comfy-kitchen is not installed"
    if call.recording or call.compiling:
        return "it records no gradients and is not for compiled graphs"
    if call.dtype not in (*_HALVES, torch.float32):
        return f"it has no kernels for {call.dtype}"
    if not _kitchen_is_fast() and _asked() != "kitchen":
        return "it has no backend here but plain torch"
    return None


def _eager(call: Call) -> str | None:
    if call.op == "joint_attention":
        return None
    if call.recording:
        return "it works in place and records no gradients"
    if call.compiling:
        return "the compiler fuses the plain formulas better"
    return None


_RULES = {"triton": _triton, "kitchen": _kitchen, "eager": _eager}


def interpreting() -> bool:
    """Whether Triton's interpreter is asked for, which runs kernels on CPU tensors."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@cache
def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@cache
def _kitchen_is_fast() -> bool:
    return torch.cuda.is_available() and implementation("kitchen", "has_fast_backend")()
