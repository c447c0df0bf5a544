"""Attention over few tokens with gradients: as exact as torch's, and only where it is faster."""

import pytest
import torch

from jova_core.kernels import attention, cpu, reference
from jova_core.kernels.cpu import MOST_PAIRS, ShortAttention, is_short


@pytest.fixture(autouse=True, params=[True, False], ids=["bf16 units", "none"])
def units(request, monkeypatch):
    """The way with bf16 units, which is right without them too, only slow; and the other one."""
    monkeypatch.setattr(cpu, "FAST_BF16", request.param)
    return request.param


def draw(*shape, gain=1.0):
    generator = torch.Generator().manual_seed(sum(shape))
    return [
        (torch.randn(shape, generator=generator) * g).bfloat16().requires_grad_()
        for g in (gain, 1, 1)
    ]


def grads(attend, tensors, dtype):
    leaves = [t.detach().to(dtype).requires_grad_() for t in tensors]
    out = attend(*leaves)
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(out.shape, generator=generator, dtype=torch.float64).to(dtype)
    return [out.detach(), *torch.autograd.grad(out, leaves, weight)]


@pytest.mark.parametrize("gain", [1, 3])
@pytest.mark.parametrize("shape", [(2, 3, 7, 16), (2, 3, 63, 16), (1, 2, 289, 64)])
def test_values_and_gradients_are_as_exact_as_torchs(shape, gain):
    """At most twice plain torch's own error: of the values, and of the gradients together."""
    tensors = draw(*shape, gain=gain)
    exact = grads(reference.attention, tensors, torch.float64)
    theirs = grads(reference.attention, tensors, torch.bfloat16)
    ours = grads(attention, tensors, torch.bfloat16)
    for part in (slice(0, 1), slice(1, 4)):
        a, b, true = (
            torch.cat([t.double().flatten() for t in found[part]])
            for found in (ours, theirs, exact)
        )
        assert (a - true).norm() <= 2 * (b - true).norm() + 3e-3 * true.norm()


def test_in_fp64_it_is_the_formula():
    def short(q, k, v):
        return ShortAttention.apply(q, k, v).transpose(1, 2).flatten(2)

    tensors = draw(1, 2, 17, 8)
    true = grads(reference.attention, tensors, torch.float64)
    for ours, exact in zip(grads(short, tensors, torch.float64), true, strict=True):
        torch.testing.assert_close(ours, exact, atol=1e-6, rtol=1e-5)  # scores are fp32


def test_queries_of_a_part_see_more_keys():
    q, k, v = draw(1, 2, 9, 8)
    part = attention(q[:, :, :4], k, v)
    torch.testing.assert_close(part, attention(q, k, v)[:, :4], atol=1e-2, rtol=1e-2)


def test_where_it_is_taken(units):
    q, k, _ = draw(1, 1, 4, 8)
    assert is_short(q, k) == units
    assert not is_short(q.float(), k.float())
    with torch.no_grad():
        assert not is_short(q, k)
    long = torch.empty(1, 1, 1025, 2, dtype=torch.bfloat16)
    assert long.shape[2] ** 2 > MOST_PAIRS
    assert not is_short(long, long)


def test_in_one_compiled_graph():
    tensors = draw(1, 2, 11, 8)
    compiled = torch.compile(attention, backend="aot_eager", fullgraph=True)
    for a, b in zip(
        grads(compiled, tensors, torch.bfloat16),
        grads(attention, tensors, torch.bfloat16),
        strict=True,
    ):
        torch.testing.assert_close(a, b)
