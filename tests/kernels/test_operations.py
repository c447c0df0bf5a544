"""The reference operations against plain fp64 formulas, results and gradients, at odd sizes."""

import math

import pytest
import torch

from jova_core.kernels import apply_rope, attention, gated_add, modulate, split_heads

LAYOUTS = [((1, 7),), ((1, 5), (9, 3)), ((13, 1), (1, 4)), ((2, 3), (1, 1), (3, 5))]
SHAPES = [(1, 1, 1, 2), (2, 3, 17, 6), (1, 2, 63, 10)]


def _draw(*shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def _spread(value, layout):
    """`[B, G, D]` → `[B, N, D]`, token by token, without any view tricks."""
    rows, group = [], 0
    for groups, count in layout:
        for _ in range(groups):
            rows += [value[:, group]] * count
            group += 1
    return torch.stack(rows, dim=1)


def _sizes(layout):
    return sum(g * n for g, n in layout), sum(g for g, _ in layout)


def _same_gradients(ours, plain, inputs):
    """Results and gradients of both functions agree in fp64; ours in fp32 is close to that."""
    for tensor in inputs:
        tensor.requires_grad_(True)
    ours_out, plain_out = ours(*inputs), plain(*inputs)
    torch.testing.assert_close(ours_out, plain_out)
    weight = _draw(*plain_out.shape, seed=9)
    ours_grads = torch.autograd.grad((ours_out * weight).sum(), inputs)
    plain_grads = torch.autograd.grad((plain_out * weight).sum(), inputs)
    for a, b in zip(ours_grads, plain_grads, strict=True):
        torch.testing.assert_close(a, b)
    single = ours(*(tensor.detach().float() for tensor in inputs))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), plain_out.detach(), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_modulate(layout):
    tokens, groups = _sizes(layout)
    inputs = [_draw(2, tokens, 5), _draw(2, groups, 5, seed=1), _draw(2, groups, 5, seed=2)]
    _same_gradients(
        lambda x, shift, scale: modulate(x, shift, scale, layout),
        lambda x, shift, scale: x * (1 + _spread(scale, layout)) + _spread(shift, layout),
        inputs,
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gated_add(layout):
    tokens, groups = _sizes(layout)
    inputs = [_draw(2, tokens, 5), _draw(2, tokens, 5, seed=1), _draw(2, groups, 5, seed=2)]
    _same_gradients(
        lambda x, y, gate: gated_add(x, y, gate, layout),
        lambda x, y, gate: x + _spread(gate, layout) * y,
        inputs,
    )


def test_one_modulation_for_a_whole_batch():
    """A batch of one in shift and scale serves every entry, as with equal timesteps."""
    x, shift, scale = _draw(3, 6, 4), _draw(1, 2, 4, seed=1), _draw(1, 2, 4, seed=2)
    layout = ((2, 3),)
    expected = modulate(x, shift.expand(3, -1, -1), scale.expand(3, -1, -1), layout)
    assert torch.equal(modulate(x, shift, scale, layout), expected)


@pytest.mark.parametrize(("b", "h", "n", "d"), SHAPES)
def test_attention(b, h, n, d):
    def plain(q, k, v):
        scores = torch.einsum("bhnd,bhmd->bhnm", q, k) / math.sqrt(d)
        weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
        return torch.einsum("bhnm,bhmd->bnhd", weights, v).reshape(b, n, h * d)

    _same_gradients(attention, plain, [_draw(b, h, n, d, seed=s) for s in range(3)])


def test_attention_takes_non_contiguous_rows():
    packed = _draw(2, 11, 3 * 2 * 4)
    q, k, v = split_heads(packed, 2)
    assert not q.is_contiguous()
    torch.testing.assert_close(
        attention(q, k, v), attention(q.contiguous(), k.contiguous(), v.contiguous())
    )


def test_split_heads_reads_q_then_k_then_v_head_by_head():
    packed = torch.arange(2 * 3 * 24.0).view(2, 3, 24)
    q, k, v = split_heads(packed, 2)
    assert q.shape == (2, 2, 3, 4)
    for index, part in enumerate((q, k, v)):
        for head in range(2):
            start = index * 8 + head * 4
            assert torch.equal(part[:, head], packed[..., start : start + 4])


@pytest.mark.parametrize(("b", "h", "n", "d"), SHAPES)
def test_apply_rope(b, h, n, d):
    """Neighbouring pairs turn as complex numbers; angles and products are fp32."""
    x, angles = _draw(b, h, n, d).float(), _draw(n, d // 2, seed=1)
    turned = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)).contiguous())
    expected = torch.view_as_real(turned * torch.polar(torch.ones_like(angles), angles)).flatten(-2)
    rope = (angles.cos().float(), angles.sin().float())
    torch.testing.assert_close(apply_rope(x, rope).double(), expected, atol=1e-6, rtol=1e-5)
    x.requires_grad_(True)
    weight = _draw(b, h, n, d, seed=2).float()
    (apply_rope(x, rope) * weight).sum().backward()
    # A rotation's gradient is the rotation back.
    back = apply_rope(weight, (rope[0], -rope[1]))
    torch.testing.assert_close(x.grad, back, atol=1e-6, rtol=1e-5)


def test_rope_keeps_dtype_and_none_is_identity():
    x = _draw(1, 2, 5, 4, dtype=torch.bfloat16)
    assert apply_rope(x, None) is x
    angles = _draw(5, 2).float()
    turned = apply_rope(x, (angles.cos(), angles.sin()))
    assert turned.dtype == torch.bfloat16
    norms = [t.float().norm(dim=-1) for t in (x, turned)]
    torch.testing.assert_close(*norms, atol=2e-2, rtol=1e-2)
