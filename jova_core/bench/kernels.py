"""`jova bench kernels`: every operation by every backend of this machine, with its error."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ..errors import JoVAError
from ..kernels import fast_fp32, reference, use_backend
from ..kernels.dispatch import BACKENDS, Call, implementation, refusal
from .peers import DTYPES, WORST, BlockSize
from .timing import rounds, thread


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation at a block's size: its tensors, its other arguments, and its memory traffic.

    passes: unavoidable reads and writes of all `tokens · dim` numbers.
    """

    name: str
    tensors: tuple[Tensor, ...]
    others: tuple[Any, ...]
    passes: float


def operations(size: BlockSize, device: str = "cpu") -> list[Operation]:
    """One of each, in fp32; products are left to libraries and to `jova bench block`."""
    generator = torch.Generator(device).manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    dim, count = size.dim, size.tokens
    rows = tuple(size.rows.values())
    layout = tuple((1, n) for n in rows)
    x, y = draw(1, count, dim), draw(1, count, dim)
    gate, shift, scale = draw(3, 1, len(rows), dim)
    qkv = draw(1, count, 3, size.heads, size.head_dim)
    angles = draw(count, size.head_dim // 2)
    rope = (angles.cos(), angles.sin())
    both = (x, y, gate, shift, scale)
    norms = draw(len(rows), 2, size.head_dim)
    return [
        Operation(
            name="layer_norm_modulate", tensors=(x, shift, scale), others=(layout,), passes=2
        ),
        Operation(name="gated_residual", tensors=(x, y, gate), others=(layout,), passes=3),
        Operation(
            name="gated_residual_layer_norm_modulate", tensors=both, others=(layout,), passes=4
        ),
        Operation(name="qk_norm_rope", tensors=(qkv, norms), others=(rope, rows), passes=4),
        Operation(name="gelu", tensors=(draw(1, count, 4 * dim),), others=(), passes=8),
        Operation(name="joint_attention", tensors=(qkv,), others=(size.plan,), passes=4),
    ]


def bench_kernels(size: BlockSize, repeat: int) -> dict[str, Any]:
    """Milliseconds, bandwidth against a copy's and error against fp64 of all that can run.

    Raises JoVAError if a backend is more than twice as far from fp64 as the reference: then
    nothing is measured.
    """
    ready = [
        (name, operation, backend, _call(operation, backend, dtype))
        for name, dtype in DTYPES.items()
        for operation in operations(size)
        for backend in BACKENDS
        if _refusal(backend, operation, dtype) is None
    ]
    errors = {
        (name, operation.name, backend): _error(operation, DTYPES[name], call)
        for name, operation, backend, call in ready
    }
    for (name, op, backend), error in errors.items():
        allowed = WORST * errors[name, op, "reference"] + 1e-7
        if not error <= allowed:
            raise JoVAError(
                f"{op} by {backend} in {name} is off by {error:.2e} from fp64, more than "
                f"{allowed:.2e}; a speed would mean nothing, so none is measured. Please report it."
            )
    seconds_of_all = _times([call for *_, call in ready], repeat)
    copy = _copy_rate(size, repeat)
    rows = []
    for (name, operation, backend, _), seconds in zip(ready, seconds_of_all, strict=True):
        moved = operation.passes * size.tokens * size.dim * DTYPES[name].itemsize
        rows.append(
            {
                "dtype": name,
                "op": operation.name,
                "backend": backend,
                "ms": 1000 * seconds,
                "gb_per_s": moved / seconds / 1e9,
                "of_copy": moved / seconds / copy,
                "error": errors[name, operation.name, backend],
            }
        )
    return {"tokens": size.tokens, "dim": size.dim, "copy_gb_per_s": copy / 1e9, "rows": rows}


def _refusal(backend: str, operation: Operation, dtype: torch.dtype) -> str | None:
    x = operation.tensors[0].to(device="meta", dtype=dtype)
    # Triton's attention runs only where it is asked for.
    with torch.inference_mode(), use_backend("triton" if backend == "triton" else "auto"):
        return refusal(backend, Call.of(operation.name, x)._replace(device="cpu"))


def _call(operation: Operation, backend: str, dtype: torch.dtype) -> Callable[[], Any]:
    tensors = [tensor.to(dtype) for tensor in operation.tensors]
    run = implementation(backend, operation.name)

    def call() -> Any:
        with nullcontext() if backend == "reference" else fast_fp32():
            return run(*tensors, *operation.others)

    return call


def _error(operation: Operation, dtype: torch.dtype, call: Callable[[], Any]) -> float:
    rounded = [tensor.to(dtype).double() for tensor in operation.tensors]
    with torch.inference_mode():
        true = getattr(reference, operation.name)(*rounded, *operation.others)
        result = call()
    pairs = zip(
        *(part if isinstance(part, tuple) else (part,) for part in (result, true)), strict=True
    )
    return max(float((a.double() - b).norm() / b.norm()) for a, b in pairs)


def _times(calls: list[Callable[[], Any]], repeat: int) -> list[float]:
    """Median thread CPU seconds of each call, all in turn in every round."""
    with torch.inference_mode():
        found = rounds(dict(enumerate(calls)), repeat, timed=thread)
    return [median(values) for values in found.values()]


def _copy_rate(size: BlockSize, repeat: int) -> float:
    """Bytes a second that a copy of `[tokens, 4 · dim]` fp32 reads and writes."""
    source = torch.randn(size.tokens, 4 * size.dim)
    target = torch.empty_like(source)
    (seconds,) = _times([lambda: target.copy_(source)], repeat)
    return 2 * source.nbytes / seconds


def kernels_table(figures: dict[str, Any]) -> str:
    """The figures as text for people."""
    shape = "{:5} {:36} {:10} {:>9} {:>7} {:>8} {:>9}"
    lines = [
        f"{figures['tokens']} tokens, width {figures['dim']}, one thread; "
        f"a copy moves {figures['copy_gb_per_s']:.0f} GB/s",
        shape.format("dtype", "operation", "backend", "ms", "GB/s", "of copy", "error"),
    ]
    for row in figures["rows"]:
        lines.append(
            shape.format(
                row["dtype"],
                row["op"],
                row["backend"],
                f"{row['ms']:.3f}",
                f"{row['gb_per_s']:.1f}",
                f"{row['of_copy']:.0%}",
                f"{row['error']:.1e}",
            )
        )
    return "\n".join(lines)
