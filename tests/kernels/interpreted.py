"""The Triton kernels on CPU tensors, by Triton's interpreter; run by test_triton.py in a process.

bf16 has a wider limit than elsewhere: the interpreter cuts numbers off where a GPU rounds them.
"""

import importlib.util
import math
import sys
from pathlib import Path

import pytest
import torch

from jova_core import kernels
from jova_core.kernels import reference
from jova_core.kernels.dispatch import implementation

spec = importlib.util.spec_from_file_location(
    "ops_cases", Path(__file__).with_name("test_operations.py")
)
OPS = importlib.util.module_from_spec(spec)
sys.modules["ops_cases"] = OPS
spec.loader.exec_module(OPS)

LIMITS = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 6e-3}
CASES = [
    *(case for case in OPS.CASES if case.values[0] != "linear_gelu"),
    pytest.param("qk_norm_rope", OPS.qk((5, 4), heads=9, width=24), id="qk_norm_rope-odd-heads"),
    pytest.param(
        "gated_residual_layer_norm_modulate",
        OPS.by_layout("gated_residual_layer_norm_modulate", ((1, 2), (1, 1)), width=3072),
        id="gated_residual_layer_norm_modulate-3072",
    ),
]


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize(("op", "case"), CASES)
def test_error_against_fp64(op, case, dtype, nan_filled):
    tensors, others, plain = case
    rounded = [t.to(dtype) for t in tensors]
    true = OPS.tuple_of(plain(*(t.double() for t in rounded)))
    run, others = implementation("triton", op), OPS.single(others, dtype)
    results = [OPS.tuple_of(run(*(t.clone() for t in rounded), *others))]
    if op != "layer_norm_modulate":
        into = rounded[0].clone()
        results.append(OPS.tuple_of(run(into, *rounded[1:], *others, out=into)))
        assert results[-1][0] is into
    for found in results:
        for a, b in zip(found, true, strict=True):
            assert a.dtype == dtype
            assert OPS.error(a, b) < LIMITS[dtype]


@pytest.mark.parametrize(("op", "case"), CASES)
def test_strided_views_and_what_lies_beside_them(op, case):
    tensors, others, plain = case
    buffers, views = [], []
    for t in tensors:
        buffer = torch.full((*t.shape[:-1], t.shape[-1] + 6), math.nan)
        buffer[..., 2:-4] = t
        buffers.append(buffer)
        views.append(buffer[..., 2:-4])
    if op == "qk_norm_rope":  # heads and their channels are neighbours in a projection
        buffer = torch.full((*tensors[0].shape[:2], tensors[0][0, 0].numel() + 6), math.nan)
        views[0] = buffer[..., 2:-4].unflatten(-1, tensors[0].shape[2:])
        views[0].copy_(tensors[0])
        buffers[0] = buffer
    true = OPS.tuple_of(plain(*(t.float().double() for t in tensors)))
    with torch.inference_mode(), kernels.use_backend("triton"):
        found = OPS.tuple_of(getattr(kernels, op)(*views, *OPS.single(others, torch.float32)))
    for a, b in zip(found, true, strict=True):
        assert OPS.error(a, b) < 1e-6
    for buffer in buffers:
        assert buffer[..., :2].isnan().all()
        assert buffer[..., -4:].isnan().all()


def op_arguments(op, case):
    tensors, others, _ = case
    leaves = [t.float().requires_grad_() for t in tensors]
    return tuple(OPS.flat(op, [*leaves, *OPS.single(others, torch.float32)]))


@pytest.mark.parametrize(("op", "case"), OPS.ONE_OF_EACH)
def test_opcheck(op, case):
    torch.library.opcheck(getattr(torch.ops.jova, op).default, op_arguments(op, case))


@pytest.mark.parametrize(("op", "case"), OPS.ONE_OF_EACH)
def test_gradients_and_one_graph(op, case):
    """Values by the kernel, gradients those of the reference; the same in a compiled graph."""
    tensors, others, _ = case
    others = OPS.single(others, torch.float32)
    leaves = [t.float().requires_grad_() for t in tensors]
    true_leaves = [t.clone().requires_grad_() for t in tensors]
    true = OPS.tuple_of(getattr(reference, op)(*true_leaves, *others))
    weights = [OPS.draw(*t.shape, seed=9) for t in true]
    expected = torch.autograd.grad(true, true_leaves, weights)

    def run(*values):
        return OPS.tuple_of(getattr(kernels, op)(*values, *others))

    compiled = torch.compile(run, backend="aot_eager", fullgraph=True)
    with kernels.use_backend("triton"):
        for call in (run, compiled):
            found = call(*leaves)
            grads = torch.autograd.grad(found, leaves, [w.float() for w in weights])
            for a, b in zip((*found, *grads), (*true, *expected), strict=True):
                assert OPS.error(a, b.detach()) < 2e-6


@pytest.mark.parametrize("form", ["sequential", "parallel"])
def test_the_whole_network(tiny_config, tiny_model, inputs, form):
    """Everything but the products by Triton makes what the plain formulas make."""
    config = tiny_config(single_form=form, dual_blocks=1, single_blocks=1)
    model, arguments, made = tiny_model(config), inputs(config), {}
    for backend in ("reference", "auto", "triton"):
        with torch.inference_mode(), kernels.use_backend(backend):
            made[backend] = model(*arguments, mode="video_sees_audio")
    for backend in ("auto", "triton"):
        for stream in ("video", "audio"):
            a, b = (getattr(made[name], stream) for name in (backend, "reference"))
            assert OPS.error(a, b.double()) < 5e-6
