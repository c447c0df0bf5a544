"""Every operation and its gradients against fp64, by every backend that takes it.

Lengths are odd, segments empty, allocated memory is NaN before it is written, and what lies beside
a view has to stay as it was. Limits are those of the tests on a CPU; half precision gradients of
the formulas themselves are the yardstick of other backends' (autograd rounds between its steps).
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ... import kernels
from ...kernels import AttentionPlan, reference, use_backend
from ...kernels.dispatch import BACKENDS, Call, implementation, refusal
from ...kernels.triton import interpreting
from ..peers import WORST
from .script import Plan, Row

# Relative L2 distance from fp64 of inputs rounded alike.
LIMITS = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 4e-3}
INTERPRETED_BF16 = 6e-3  # the interpreter cuts numbers off where a GPU rounds them
LAYOUTS = (
    ((1, 7),),
    ((2, 3), (1, 0), (3, 5), (0, 4)),
    ((13, 1), (1, 4)),
    ((1, 157), (1, 0), (21, 13)),
)
ROWS = ((7,), (3, 0, 5, 1), (157, 0, 511, 3))
MODES = ("full", "isolated", "video_sees_audio", "audio_sees_video")
# Operations that may write over their first argument.
INTO = ("gated_residual", "gated_residual_layer_norm_modulate", "qk_norm_rope", "gelu")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Arguments of an operation: tensors in fp64, then what is no tensor of its own."""

    op: str
    tensors: tuple[Tensor, ...]
    others: tuple[Any, ...] = ()

    def to(self, dtype: torch.dtype) -> "Case":
        """Tensors in a dtype; angles in fp32 as the network has them, or fp64."""
        wide = torch.promote_types(dtype, torch.float32)
        others = tuple(
            tuple(t.to(wide) for t in o) if isinstance(o, tuple) and _is_rope(o) else o
            for o in self.others
        )
        return replace(self, tensors=tuple(t.to(dtype) for t in self.tensors), others=others)


def correctness(plan: Plan) -> list[Row]:
    """A row for each operation, backend and dtype: the worst of its cases."""
    worst = _worst(plan, _values)
    return [_row(*key, error, _limit(*key[1:])) for key, error in worst.items()]


def gradients(plan: Plan) -> list[Row]:
    """The same of the gradients, as the network records them."""
    worst = _worst(plan, _gradients)
    limits = {key: _limit(*key[1:]) for key in worst}
    for op, backend, dtype in worst:
        if dtype != torch.float32:
            formulas = WORST * worst[op, "reference", dtype] + 1e-7
            limits[op, backend, dtype] = max(limits[op, backend, dtype], formulas)
        else:
            limits[op, backend, dtype] *= 2  # twice as many roundings
    return [_row(*key, error, limits[key]) for key, error in worst.items()]


def relative(found: Tensor, true: Tensor) -> float:
    """‖found − true‖ / ‖true‖; 0 for nothing beside nothing, infinite where anything is NaN."""
    found, true = found.detach().double(), true.detach().double()
    error = float((found - true).norm() / true.norm().clamp(min=1e-30))
    return error if math.isfinite(error) else math.inf


def _worst(
    plan: Plan, errors: Callable[[Case, str], list[float]]
) -> dict[tuple[str, str, torch.dtype], float]:
    """The largest error of all cases by operation, backend and dtype."""
    worst: dict[tuple[str, str, torch.dtype], float] = {}
    for case in _cases(plan):
        if errors is _gradients and case.op == "linear_gelu":
            continue  # made of the op gelu, whose gradient is checked
        for dtype in LIMITS:
            rounded = case.to(dtype)
            for backend in BACKENDS:
                if not _takes(backend, rounded, recording=errors is _gradients):
                    continue
                key = (case.op, backend, dtype)
                worst[key] = max(worst.get(key, 0.0), *errors(rounded, backend))
    return worst


def _row(op: str, backend: str, dtype: torch.dtype, error: float, limit: float) -> Row:
    name = str(dtype).removeprefix("torch.")
    figures = {"error": error, "limit": limit, "ok": error < limit}
    return {"op": op, "backend": backend, "dtype": name, **figures}


def _limit(backend: str, dtype: torch.dtype) -> float:
    cut = backend == "triton" and dtype == torch.bfloat16 and interpreting()
    return INTERPRETED_BF16 if cut else LIMITS[dtype]


def _takes(backend: str, case: Case, *, recording: bool) -> bool:
    with torch.set_grad_enabled(recording), use_backend(backend):
        return refusal(backend, Call.of(case.op, case.tensors[0])) is None


def _values(case: Case, backend: str) -> list[float]:
    """Errors of the results: new ones, over the first argument, and out of wider buffers."""
    true = _tuple(getattr(reference, case.op)(*_doubles(case), *case.to(torch.float64).others))
    run = implementation(backend, case.op)
    with torch.inference_mode(), _poisoned():
        found = [_tuple(run(*(t.clone() for t in case.tensors), *case.others))]
        if backend != "reference" and case.op in INTO:
            target = case.tensors[0].clone()
            found.append(_tuple(run(target, *case.tensors[1:], *case.others, out=target)))
        if case.op not in ("linear_gelu", "joint_attention"):
            found.append(_from_views(run, case))
    return [relative(a, b) for made in found for a, b in zip(made, true, strict=True)]


def _from_views(run: Callable[..., Any], case: Case) -> tuple[Tensor, ...]:
    """Results of views into buffers of NaN; NaN themselves if a neighbour was written."""
    buffers, views = [], []
    for tensor in case.tensors:
        # Heads and their channels are neighbours in a projection.
        last = -3 if tensor.ndim == 5 else -1
        flat = tensor.flatten(last)
        buffer = torch.full((*flat.shape[:-1], flat.shape[-1] + 32), math.nan).to(flat)
        buffer[..., 16:-16] = flat
        buffers.append(buffer)
        views.append(buffer[..., 16:-16].unflatten(-1, tensor.shape[last:]))
    found = _tuple(run(*views, *case.others))
    kept = all(b[..., edge].isnan().all() for b in buffers for edge in _EDGES)
    return found if kept else tuple(torch.full_like(part, math.nan) for part in found)


_EDGES = (slice(None, 16), slice(-16, None))


def _gradients(case: Case, backend: str) -> list[float]:
    """Errors of the gradients of every tensor."""
    exact = [t.requires_grad_() for t in _doubles(case)]
    true = _tuple(getattr(reference, case.op)(*exact, *case.to(torch.float64).others))
    generator = torch.Generator(exact[0].device).manual_seed(9)
    weights = [
        torch.randn(t.shape, generator=generator, device=t.device).to(case.tensors[0]) for t in true
    ]
    expected = torch.autograd.grad(true, exact, [w.double() for w in weights])
    leaves = [t.clone().requires_grad_() for t in case.tensors]
    with torch.enable_grad(), use_backend(backend), _poisoned():
        made = _tuple(getattr(kernels, case.op)(*leaves, *case.others))
        found = torch.autograd.grad(made, leaves, weights)
    return [relative(a, b) for a, b in zip(found, expected, strict=True)]


@contextmanager
def _poisoned() -> Iterator[None]:
    """What torch allocates holds NaN until it is written."""
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


def _cases(plan: Plan) -> Iterator[Case]:
    draw = partial(_draw, torch.Generator(plan.device).manual_seed(0))
    widths = (10,) if plan.tiny else (10, 1536, 3072)
    for layout in LAYOUTS[1:2] if plan.tiny else LAYOUTS:
        tokens, groups = sum(g * n for g, n in layout), sum(g for g, _ in layout)
        for width in widths:
            x, y = draw(2, tokens, width), draw(2, tokens, width)
            gate, shift, scale = draw(2, groups, 3, width).unbind(2)
            both = (x, y, gate, shift, scale)
            yield Case(op="layer_norm_modulate", tensors=(x, shift, scale), others=(layout,))
            yield Case(op="gated_residual", tensors=(x, y, gate), others=(layout,))
            yield Case(op="gated_residual_layer_norm_modulate", tensors=both, others=(layout,))
            yield Case(op="gelu", tensors=(x,))
    for rows in ROWS[1:2] if plan.tiny else ROWS:
        for heads, width in ((3, 8),) if plan.tiny else ((3, 8), (9, 64), (24, 128)):
            qkv, norms = draw(2, sum(rows), 3, heads, width), draw(len(rows), 2, width)
            angles = draw(sum(rows), width // 2)
            others = ((angles.cos(), angles.sin()), rows)
            yield Case(op="qk_norm_rope", tensors=(qkv, norms), others=others)
    x, weight, bias = draw(2, 7, 64), draw(48, 64), draw(48)
    yield Case(op="linear_gelu", tensors=(x, weight, bias))
    yield from _attention_cases(plan, draw)


def _attention_cases(plan: Plan, draw: Callable[..., Tensor]) -> Iterator[Case]:
    shapes = ((1, 40),) if plan.tiny else ((2, 40), (2, 64), (2, 128), (1, 256))
    sizes = ((9, 14),) if plan.tiny else ((0, 5), (9, 14), (33, 120), (669, 1234))
    for heads, width in shapes:
        for audio, video in sizes:
            qkv = draw(2, audio + video, 3, heads, width)
            for mode in MODES[1:2] if plan.tiny else MODES:
                seen = AttentionPlan.of(mode, audio, video)
                yield Case(op="joint_attention", tensors=(qkv,), others=(seen,))


def _draw(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64)


def _doubles(case: Case) -> list[Tensor]:
    return [t.double() for t in case.tensors]


def _tuple(value: Any) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


def _is_rope(value: tuple[Any, ...]) -> bool:
    return bool(value) and isinstance(value[0], Tensor)
