"""The fast fp32 of CPUs: as exact, scoped, and refused where it is not exact."""

import pytest
import torch
import torch.nn.functional as F

from jova_core.kernels import attention, cpu, fast_fp32


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
