"""Which backend runs an operation, and what is said about those that do not."""

import pytest
import torch

from jova_core import kernels
from jova_core.kernels import (
    NoBackendError,
    dispatch,
    eager,
    explain,
    kitchen,
    reference,
    triton,
    use_backend,
)
from jova_core.kernels.dispatch import Call, choose

X = torch.zeros(1, 4, 8)
QKV = torch.zeros(1, 4, 3, 2, 7)


def _call(op="gated_residual", device="cpu", dtype=torch.float32, width=8, **state):
    state = {"forced": dispatch.forced()} | state
    return Call(op=op, device=device, dtype=dtype, width=width, **state)


@pytest.fixture
def everything_installed(monkeypatch):
    """As on a GPU machine with Triton and comfy-kitchen's kernels."""
    monkeypatch.setattr(triton, "INSTALLED", True)
    monkeypatch.setattr(kitchen, "INSTALLED", True)
    monkeypatch.setattr(kitchen, "has_fast_backend", lambda: True)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


def test_on_a_cpu_stock_calls_run_and_the_plain_formulas_record_gradients():
    assert choose(_call()) == "eager"
    assert choose(_call(recording=True)) == choose(_call(compiling=True)) == "reference"


def test_on_a_gpu(everything_installed):
    gpu = {"device": "cuda", "dtype": torch.bfloat16}
    assert choose(_call(**gpu)) == choose(_call(**gpu, recording=True)) == "triton"
    assert choose(_call("qk_norm_rope", **gpu, width=7)) == "kitchen"
    assert choose(_call("qk_norm_rope", **gpu, width=7, compiling=True)) == "reference"
    assert choose(_call("linear_gelu", **gpu)) == "triton"
    assert choose(_call("joint_attention", **gpu)) == "eager"
    assert choose(_call("joint_attention", **gpu, forced="triton")) == "triton"
    assert choose(_call(device="cuda", dtype=torch.float64)) == "eager"


def test_force_by_variable_and_by_block(monkeypatch):
    monkeypatch.setenv("JOVA_KERNELS", "reference")
    assert choose(_call()) == "reference"
    with use_backend("eager"):
        assert choose(_call()) == "eager"
        with use_backend("auto"):
            assert choose(_call()) == "eager"
    assert choose(_call()) == "reference"
    with pytest.raises(ZeroDivisionError), use_backend("eager"):
        raise ZeroDivisionError
    assert choose(_call()) == "reference"


def test_a_forced_backend_that_cannot_run_says_why(everything_installed):
    with use_backend("triton"), pytest.raises(NoBackendError, match="tensors are on cpu") as told:
        kernels.gated_residual(X, X, X[:, :1], ((1, 4),))
    assert "JOVA_KERNELS=auto" in str(told.value)
    with use_backend("kitchen"), pytest.raises(NoBackendError, match="no such operation"):
        kernels.gelu(X)
    with use_backend("eager"), pytest.raises(NoBackendError, match="records no gradients"):
        kernels.gelu(X)
    with pytest.raises(NoBackendError, match="There is no backend 'cuda'"), use_backend("cuda"):
        pass


def test_without_triton_it_says_so(monkeypatch):
    monkeypatch.setattr(triton, "INSTALLED", False)
    with use_backend("triton"), pytest.raises(NoBackendError, match="triton is not installed"):
        kernels.gelu(X)


def test_explain_has_a_line_for_each_backend(everything_installed):
    with torch.inference_mode():
        lines = explain("qk_norm_rope", QKV).splitlines()
    assert [line.split(":")[0] for line in lines] == list(dispatch.BACKENDS)
    assert lines[0] == "triton: the tensors are on cpu and TRITON_INTERPRET is not 1"
    assert lines[1:] == ["kitchen: taken", "eager: could run it", "reference: could run it"]
    assert "even width of 8 to 256" in dispatch.refusal(
        "triton", _call("qk_norm_rope", "cuda", width=7)
    )


def test_the_choice_reaches_the_code_that_runs(monkeypatch):
    """`use_backend` decides what is called, not only what is said."""
    called = []
    for module in (eager, reference):
        name, real = module.__name__.rsplit(".")[-1], module.gelu
        monkeypatch.setattr(
            module,
            "gelu",
            lambda x, name=name, real=real, **kw: called.append(name) or real(x, **kw),
        )
    with torch.inference_mode():
        kernels.gelu(X.clone())
        with use_backend("reference"):
            kernels.gelu(X.clone())
    assert called == ["eager", "reference"]


def test_attention_records_gradients_by_stock_calls():
    assert choose(_call("joint_attention", recording=True)) == "eager"
    assert choose(_call("joint_attention", compiling=True)) == "eager"
