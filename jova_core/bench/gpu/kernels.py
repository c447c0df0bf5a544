"""`jova bench gpu-a`: correctness, then attention, the row kernels and whole blocks.

Rates are fractions of what a product of two large matrices and a copy reach in the same run.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...errors import JoVAError
from ...kernels import reference, split_heads, use_backend
from ...kernels.dispatch import Call, implementation, refusal
from ..kernels import Operation, operations
from ..peers import BlockSize
from .blocks import block_items
from .correct import INTO, LIMITS, correctness, gradients, relative
from .script import Item, Plan, Row, run_items, seconds_of

# Of the joint sequence: 2,300 as in the CPU's table, then a clip of 832 × 480 of 21 and 81 frames.
SIZES = (
    BlockSize(dim=3072, heads=24, video=2000, audio=172, text=64),
    BlockSize(dim=3072, heads=24, video=7800, audio=157, text=512),
    BlockSize(dim=3072, heads=24, video=32_760, audio=157, text=512),
)
TINY = (BlockSize(dim=64, heads=1, video=24, audio=6, text=3),)
LIBRARIES = {
    "FlashAttention-2": SDPBackend.FLASH_ATTENTION,
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "torch's choice": None,
}
CHECKED = 128  # queries whose attention is computed in fp64


@dataclass(frozen=True, kw_only=True)
class Roofs:
    """FLOP a second of a large bf16 product and bytes a second of a large copy."""

    product: float
    copy: float


def bench_gpu_a(plan: Plan) -> dict[str, Any]:
    """The figures of the script. Raises JoVAError for a plan that cannot be run."""
    sizes = TINY if plan.tiny else SIZES
    roofs = cache(partial(measured_roofs, plan))
    items = [
        Item(name="correctness", run=lambda: correctness(plan)),
        Item(name="gradients", run=lambda: gradients(plan)),
        Item(name="roofs", run=lambda: _roof_rows(roofs())),
        Item(name="row kernels", run=lambda: _row_kernels(sizes[-1], roofs(), plan)),
        Item(name="attention", run=lambda: _attention(sizes, roofs(), plan)),
        *block_items(plan, wide=True),
        *([] if plan.tiny else block_items(plan, wide=False)),
    ]
    return run_items("gpu_a", items, plan)


def measured_roofs(plan: Plan) -> Roofs:
    """Both roofs, of random numbers: products of zeros run faster."""
    side, count = (64, 1 << 12) if plan.tiny else (8192, 1 << 28)
    draw = partial(torch.randn, device=plan.device)
    a, b = draw(side, side).bfloat16(), draw(side, side).bfloat16()
    source = draw(count)
    target = torch.empty_like(source)
    ways = {"product": lambda: a @ b, "copy": lambda: target.copy_(source)}
    seconds, failed = seconds_of(ways, plan)
    if failed:
        raise JoVAError(f"The roofs cannot be measured: {failed[0]['failure']}.")
    return Roofs(product=2 * side**3 / seconds["product"], copy=2 * source.nbytes / seconds["copy"])


def _roof_rows(roofs: Roofs) -> list[Row]:
    return [{"product_tflops": roofs.product / 1e12, "copy_tb_per_s": roofs.copy / 1e12}]


def _attention(sizes: tuple[BlockSize, ...], roofs: Roofs, plan: Plan) -> list[Row]:
    """Attention of packed bf16 projections at each size, in heads of 128 and of 64 channels."""
    rows: list[Row] = []
    with torch.inference_mode():
        for size in sizes:
            for width in (128, 64):
                heads = replace(size, heads=max(1, size.dim // width))
                rows += _attention_rows(heads, roofs, plan)
    return rows


def _attention_rows(size: BlockSize, roofs: Roofs, plan: Plan) -> list[Row]:
    generator = torch.Generator(plan.device).manual_seed(0)
    shape = (1, size.tokens, 3, size.heads, size.head_dim)
    qkv = torch.randn(shape, generator=generator, device=plan.device).bfloat16()
    libraries = {n: b for n, b in LIBRARIES.items() if not (plan.tiny and n == "cuDNN")}
    ways = {name: _by_library(backend, qkv) for name, backend in libraries.items()}
    where = {"tokens": size.tokens, "head_dim": size.head_dim}
    exact = _some_queries(qkv)
    checked = {name: _gate(way, exact) for name, way in ways.items()}
    seconds, failed = seconds_of(checked, plan)
    flops = 4 * size.tokens**2 * size.dim
    return [
        *(
            where
            | {
                "way": name,
                "ms": 1000 * spent,
                "tflops": flops / spent / 1e12,
                "of_product": flops / spent / roofs.product,
            }
            for name, spent in seconds.items()
        ),
        *(where | row for row in failed),
    ]


def _by_library(backend: SDPBackend | None, qkv: Tensor) -> Callable[[], Tensor]:
    def call() -> Tensor:
        with nullcontext() if backend is None else sdpa_kernel([backend]):
            return F.scaled_dot_product_attention(*split_heads(qkv)).transpose(1, 2).flatten(2)

    return call


def _some_queries(qkv: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of some rows, and their attention in fp64 `[1, n, H·d]`."""
    tokens = qkv.shape[1]
    rows = torch.linspace(0, tokens - 1, min(CHECKED, tokens), device=qkv.device).long()
    q, k, v = (part.double() for part in split_heads(qkv))
    return rows, reference.attention(q[:, :, rows], k, v)


def _gate(way: Callable[[], Tensor], exact: tuple[Tensor, Tensor]) -> Callable[[], Tensor]:
    """The way itself, after its first call was exact enough; JoVAError where it was not."""
    rows, true = exact
    state: list[bool] = []

    def call() -> Tensor:
        made = way()
        if not state:
            error = relative(made[:, rows], true)
            _refuse_inexact(error, made.dtype)
            state.append(True)
        return made

    return call


def _refuse_inexact(error: float, dtype: torch.dtype) -> None:
    # Triton's interpreter, which cuts bf16 off, is no reason to refuse.
    if not error < 1.5 * LIMITS[dtype]:
        raise JoVAError(f"Got an error of {error:.1e} against fp64; a speed would mean nothing.")


def _row_kernels(size: BlockSize, roofs: Roofs, plan: Plan) -> list[Row]:
    """The operations around the products in bf16, as the network runs them: in place."""
    rows: list[Row] = []
    for wide in (size,) if plan.tiny else (size, replace(size, dim=1536, heads=12)):
        for operation in operations(wide, plan.device):
            if operation.name != "joint_attention":
                rows += _operation_rows(operation, wide, roofs, plan)
    return rows


def _operation_rows(operation: Operation, size: BlockSize, roofs: Roofs, plan: Plan) -> list[Row]:
    with torch.inference_mode():
        tensors = [tensor.bfloat16() for tensor in operation.tensors]
        ways = {}
        for backend in ("eager", "triton"):
            with use_backend(backend):
                if refusal(backend, Call.of(operation.name, tensors[0])) is None:
                    ways[backend] = _in_place(backend, operation, tensors)
        seconds, failed = seconds_of(ways, plan)
    where = {"dim": size.dim, "tokens": size.tokens, "op": operation.name}
    moved = operation.passes * size.tokens * size.dim * 2
    rates = {name: moved / spent for name, spent in seconds.items()}
    return [
        *(
            where
            | {
                "way": name,
                "ms": 1000 * spent,
                "tb_per_s": rates[name] / 1e12,
                "of_copy": rates[name] / roofs.copy,
            }
            for name, spent in seconds.items()
        ),
        *(where | row for row in failed),
    ]


def _in_place(backend: str, operation: Operation, tensors: list[Tensor]) -> Callable[[], Any]:
    run, others = implementation(backend, operation.name), operation.others
    # GELU again and again over its own result would end in zeros.
    into = operation.name in INTO and operation.name != "gelu"
    x = tensors[0].clone() if into else tensors[0]
    options = {"out": x} if into else {}
    return lambda: run(x, *tensors[1:], *others, **options)
