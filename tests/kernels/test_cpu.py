"""The fast fp32 of CPUs: as exact, scoped, and refused where it is not exact."""

import pytest
import torch
import torch.nn.functional as F

from jova_core.kernels import attention, cpu, eager, fast_fp32, reference


@pytest.fixture
def tried_anew():
    cpu.is_exact.cache_clear()
    yield
    cpu.is_exact.cache_clear()


def precision():
    return torch.backends.mkldnn.matmul.fp32_precision


def test_the_switch_is_thrown_inside_only_and_comes_back_after_an_error(tried_anew, monkeypatch):
    before = precision()
    monkeypatch.setattr(cpu, "is_exact", lambda: True)

    def fail():
        assert precision() == "bf16"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), fast_fp32():
        fail()
    assert precision() == before


def test_a_machine_that_rounds_is_refused(tried_anew, monkeypatch):
    before = precision()
    monkeypatch.setattr(cpu, "WORST", 1e-12)
    assert not cpu.is_exact()
    with fast_fp32():
        assert precision() == before
    assert not cpu.upcasts(torch.zeros(1, dtype=torch.bfloat16))


def test_products_keep_the_precision_of_fp32():
    generator = torch.Generator().manual_seed(3)
    a, b = (torch.randn(301, 97, generator=generator) for _ in range(2))
    true = a.double() @ b.T.double()
    with fast_fp32():
        made = a @ b.T
    assert float((made.double() - true).norm() / true.norm()) < 1e-6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_attention_in_half_precision_is_no_worse_than_torchs_own(dtype):
    generator = torch.Generator().manual_seed(4)
    q, k, v = (torch.randn(2, 3, 65, 16, generator=generator).to(dtype) for _ in range(3))
    true = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    true = true.transpose(1, 2).flatten(2)
    with torch.inference_mode():
        ours = attention(q, k, v)
        plain = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    assert ours.dtype == dtype
    off, plain_off = (float((out.double() - true).norm()) for out in (ours, plain))
    assert off <= 1.05 * plain_off


def test_gradients_flow_through_it():
    q = torch.randn(1, 2, 5, 8, dtype=torch.bfloat16, requires_grad=True)
    attention(q, q, q).sum().backward()
    assert q.grad.isfinite().all()


def test_what_is_used_of_a_processor_can_be_lowered(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert cpu.has_fast_bf16({})
    assert cpu.has_fast_bf16({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"})
    for isa in ("AVX2", "AVX512_CORE", "avx2_vnni_2", "SSE41"):
        assert not cpu.has_fast_bf16({"ONEDNN_MAX_CPU_ISA": isa}), isa
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    assert not cpu.has_fast_bf16({})
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert cpu.has_fast_bf16({}), "an older torch cannot say"
    for lower in ("AVX2", "DEFAULT"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda lower=lower: lower)
        assert not cpu.has_fast_bf16({})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_without_units_half_precision_is_computed_in_fp32(dtype, monkeypatch):
    """Each product is that of fp32, rounded once."""
    monkeypatch.setattr(cpu, "FAST_BF16", False)
    generator = torch.Generator().manual_seed(5)
    x, w, b = (torch.randn(s, generator=generator).to(dtype) for s in ((2, 7, 16), (12, 16), (12,)))
    assert cpu.is_slow(x)
    assert not cpu.fuses_gelu(x)
    for bias in (b, None):
        wide = [t if t is None else t.float() for t in (x, w, bias)]
        out = torch.empty(2, 7, 12, dtype=dtype)
        eager.linear_into(out, x, w, bias)
        assert torch.equal(out, torch.nn.functional.linear(*wide).to(dtype))
        found = eager.linear_gelu(x, w, bias)
        torch.testing.assert_close(found, reference.linear_gelu(*wide).to(dtype))
        assert found.dtype == dtype
    q = torch.randn(1, 2, 9, 8, generator=generator).to(dtype).requires_grad_()
    narrow, wide = attention(q, q, q), reference.attention(*[q.float()] * 3)
    assert torch.equal(narrow, wide.to(dtype))
    ours, true = (torch.autograd.grad(o.float().sum(), q)[0] for o in (narrow, wide))
    torch.testing.assert_close(ours, true, rtol=1e-2, atol=1e-2)  # three sums, rounded each


def test_without_onednn_nothing_is_fused(monkeypatch):
    x = torch.zeros(1, 2, 4)
    assert cpu.fuses_gelu(x) == torch.backends.mkldnn.is_available()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not cpu.fuses_gelu(x)
    assert eager.linear_gelu(x, torch.zeros(3, 4), None).shape == (1, 2, 3)
