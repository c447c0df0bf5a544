"""Every operation against plain fp64 formulas, results and gradients, at odd and empty sizes."""

import inspect
import math

import pytest
import torch

from jova_core import kernels
from jova_core.kernels import AttentionPlan, attention, reference, split_heads
from jova_core.kernels.dispatch import implementation
from jova_core.kernels.operations import FORMS

LAYOUTS = [((1, 7),), ((1, 5), (9, 3)), ((13, 1), (1, 4)), ((2, 3), (1, 0), (3, 5), (0, 4))]
ROWS = [(1,), (7,), (16, 4, 4, 63), (3, 0, 5, 1)]
# Relative L2 error against fp64; half precision rounds results once or twice.
LIMITS = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 4e-3}


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def spread(value, layout):
    """`[B, G, D]` → `[B, S, D]`, token by token, without any view tricks."""
    rows, group = [], 0
    for groups, count in layout:
        for _ in range(groups):
            rows += [value[:, group]] * count
            group += 1
    return torch.stack(rows, dim=1)


def sizes(layout):
    return sum(g * n for g, n in layout), sum(g for g, _ in layout)


def plain_norm(x):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()


def plain_qk(qkv, weights, cos, sin, rows):
    """Neighbouring pairs turn as complex numbers."""
    segment = [i for i, n in enumerate(rows) for _ in range(n)]
    scale = torch.stack([weights[i] for i in segment])[None, :, :, None]
    qk = qkv[:, :, :2]
    normed = qk / (qk.square().mean(-1, keepdim=True) + 1e-6).sqrt() * scale
    turned = torch.view_as_complex(normed.unflatten(-1, (-1, 2)).contiguous())
    turned = turned * torch.complex(cos, sin)[None, :, None, None]
    return torch.cat((torch.view_as_real(turned).flatten(-2), qkv[:, :, 2:]), dim=2)


def _plain_gelu(x):
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + torch.tanh(inner))


def by_layout(op, layout, width=10):
    """Tensors, what is not a tensor, and the plain formula of a modulated operation."""
    tokens, groups = sizes(layout)
    x, y = draw(2, tokens, width), draw(2, tokens, width, seed=1)
    gate, shift, scale = draw(2, groups, 3, width, seed=2).unbind(2)
    if op == "layer_norm_modulate":
        return (
            [x, shift, scale],
            (layout,),
            lambda x, shift, scale: (
                plain_norm(x) * (1 + spread(scale, layout)) + spread(shift, layout)
            ),
        )
    if op == "gated_residual":
        return [x, y, gate], (layout,), lambda x, y, gate: x + spread(gate, layout) * y

    def both(x, y, gate, shift, scale):
        x = x + spread(gate, layout) * y
        return x, plain_norm(x) * (1 + spread(scale, layout)) + spread(shift, layout)

    return [x, y, gate, shift, scale], (layout,), both


def qk(rows, heads=3, width=8):
    tokens = sum(rows)
    qkv, weights = draw(2, tokens, 3, heads, width), draw(len(rows), 2, width, seed=1)
    angles = draw(tokens, width // 2, seed=2)
    rope = (angles.cos(), angles.sin())
    return [qkv, weights], (rope, rows), lambda qkv, w: plain_qk(qkv, w, *rope, rows)


def cases():
    for op in ("layer_norm_modulate", "gated_residual", "gated_residual_layer_norm_modulate"):
        for layout in LAYOUTS:
            yield pytest.param(op, by_layout(op, layout), id=f"{op}-{layout}")
    for rows in ROWS:
        yield pytest.param("qk_norm_rope", qk(rows), id=f"qk_norm_rope-{rows}")
    x = draw(2, 7, 10)
    yield pytest.param("gelu", ([x], (), _plain_gelu), id="gelu")
    w, b = draw(6, 10, seed=1), draw(6, seed=2)
    yield pytest.param(
        "linear_gelu", ([x, w, b], (), lambda x, w, b: _plain_gelu(x @ w.T + b)), id="linear_gelu"
    )


CASES = list(cases())


def tuple_of(value):
    return value if isinstance(value, tuple) else (value,)


def error(found, true):
    """Relative L2 distance; 0 for nothing beside nothing."""
    found, true = found.detach().double(), true.detach()
    return float((found - true).norm() / true.norm().clamp(min=1e-30))


def flat(op, arguments):
    """Arguments of a formula as those of its op."""
    parameters = inspect.signature(getattr(reference, op)).parameters.values()
    forms = [FORMS[parameter.annotation] for parameter in parameters]
    return [part for form, v in zip(forms, arguments, strict=True) for part in form.pack(v)]


def single(others, dtype):
    """Ropes in fp32, as the network makes them, unless the test is in fp64."""
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    return tuple(
        tuple(t.to(wide) for t in o) if o and isinstance(o[0], torch.Tensor) else o for o in others
    )


@pytest.mark.parametrize(("op", "case"), CASES)
def test_reference_and_its_gradients(op, case):
    tensors, others, plain = case
    ours = getattr(reference, op)
    leaves = [t.clone().requires_grad_() for t in tensors]
    found, true = tuple_of(ours(*leaves, *others)), tuple_of(plain(*leaves))
    for a, b in zip(found, true, strict=True):
        torch.testing.assert_close(a, b)
    weights = [draw(*t.shape, seed=9) for t in true]
    grads = torch.autograd.grad(found, leaves, weights)
    for a, b in zip(grads, torch.autograd.grad(true, leaves, weights), strict=True):
        torch.testing.assert_close(a, b)


ONE_OF_EACH = list(
    {case.values[0]: case for case in CASES if case.values[0] != "linear_gelu"}.values()
)


@pytest.mark.parametrize(("op", "case"), ONE_OF_EACH)
def test_opcheck(op, case):
    """Schema, shapes and gradients of the op, without a GPU and without Triton."""
    tensors, others, _ = case
    arguments = ([t.float().requires_grad_() for t in tensors], single(others, torch.float32))
    with kernels.use_backend("reference"):
        torch.library.opcheck(
            getattr(torch.ops.jova, op).default, tuple(flat(op, [*arguments[0], *arguments[1]]))
        )


def test_arguments_by_name():
    tensors, others, _ = by_layout("gated_residual", LAYOUTS[1])
    with torch.inference_mode():
        first = kernels.gated_residual(tensors[0].clone(), *tensors[1:], *others)
        named = dict(zip(("layout", "gate", "y"), (*others, *tensors[:0:-1]), strict=True))
        assert torch.equal(kernels.gated_residual(tensors[0].clone(), **named), first)


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize(("op", "case"), CASES)
def test_gradients_against_fp64(op, case, dtype):
    """Of all inputs, as training computes them; autograd rounds bf16 between its steps."""
    limit = {torch.bfloat16: 6e-3}.get(dtype, LIMITS[dtype])
    tensors, others, plain = case
    leaves = [t.to(dtype).requires_grad_() for t in tensors]
    exact = [t.detach().double().requires_grad_() for t in leaves]
    found = tuple_of(getattr(kernels, op)(*leaves, *single(others, dtype)))
    true = tuple_of(plain(*exact))
    weights = [draw(*t.shape, seed=9).to(dtype) for t in true]
    grads = torch.autograd.grad(found, leaves, weights)
    expected = torch.autograd.grad(true, exact, [w.double() for w in weights])
    for a, b in zip(grads, expected, strict=True):
        assert error(a, b) < limit


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("backend", ["reference", "eager"])
@pytest.mark.parametrize(("op", "case"), CASES)
def test_error_against_fp64(op, case, backend, dtype, nan_filled):
    """Each backend within the limit, new and in place, with allocated memory poisoned."""
    tensors, others, plain = case
    rounded = [t.to(dtype) for t in tensors]
    true = tuple_of(plain(*(t.double() for t in rounded)))
    run, others = implementation(backend, op), single(others, dtype)
    limit = LIMITS[dtype]
    with torch.inference_mode():
        results = [tuple_of(run(*(t.clone() for t in rounded), *others))]
        if backend == "eager" and op in ("gelu", "gated_residual"):
            into = rounded[0].clone()
            results.append(tuple_of(run(into, *rounded[1:], *others, out=into)))
            assert results[-1][0] is into
    for found in results:
        for a, b in zip(found, true, strict=True):
            # Attention on a CPU reads fp32, so that is what it gets there.
            assert a.dtype == (
                torch.float32 if (op, backend) == ("qk_norm_rope", "eager") else dtype
            )
            assert error(a, b) < limit


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize(("op", "case"), CASES)
def test_error_is_at_most_twice_plain_torchs(op, case, dtype):
    """The formulas written in the half type itself, as networks usually are, are the yardstick."""
    tensors, others, plain = case
    rounded = [t.to(dtype) for t in tensors]
    true = tuple_of(plain(*(t.double() for t in rounded)))
    usual = plain
    if op == "qk_norm_rope":  # complex numbers exist in fp32 only
        rope, rows = single(others, dtype)
        usual = lambda qkv, w: plain_qk(qkv.float(), w.float(), *rope, rows).to(dtype)  # noqa: E731
    theirs = tuple_of(usual(*rounded))
    with torch.inference_mode():
        ours = tuple_of(implementation("eager", op)(*rounded, *single(others, dtype)))
    for a, b, c in zip(ours, theirs, true, strict=True):
        assert error(a, c) <= 2 * error(b, c) + 1e-7


@pytest.mark.parametrize(("op", "case"), CASES)
def test_strided_inputs_and_their_neighbours(op, case):
    """Operations write into views of larger buffers and leave what lies beside them alone."""
    tensors, others, plain = case
    wide = [torch.full((*t.shape[:-1], t.shape[-1] + 6), math.nan).double() for t in tensors]
    views = []
    for buffer, t in zip(wide, tensors, strict=True):
        inner = buffer[..., 2:-4]
        inner.copy_(t)
        views.append(inner)
    true = tuple_of(plain(*tensors))
    with torch.inference_mode():
        found = tuple_of(getattr(kernels, op)(*views, *others))
    for a, b in zip(found, true, strict=True):
        torch.testing.assert_close(a, b)
    for buffer in wide:
        assert buffer[..., :2].isnan().all()
        assert buffer[..., -4:].isnan().all()


def test_one_modulation_for_a_whole_batch():
    """A batch of one in shift and scale serves every entry, as with equal timesteps."""
    x, shift, scale = draw(3, 6, 4), draw(1, 2, 4, seed=1), draw(1, 2, 4, seed=2)
    layout = ((2, 3),)
    expected = reference.layer_norm_modulate(
        x, shift.expand(3, -1, -1), scale.expand(3, -1, -1), layout
    )
    for backend in ("reference", "eager"):
        run = implementation(backend, "layer_norm_modulate")
        torch.testing.assert_close(run(x, shift, scale, layout), expected)


def test_with_gradients_nothing_is_overwritten():
    """Even where no input needs gradients: checkpointing may read it again."""
    tensors, others, _ = by_layout("gated_residual", LAYOUTS[1])
    before = tensors[0].clone()
    assert kernels.gated_residual(*tensors, *others) is not tensors[0]
    assert torch.equal(tensors[0], before)
    with torch.inference_mode():
        assert kernels.gated_residual(*tensors, *others) is tensors[0]


def test_linear_into_a_slice_of_a_buffer():
    for dtype, limit in LIMITS.items():
        x, w, b = (draw(2, 9, 16), draw(6, 16, seed=1), draw(6, seed=2))
        x, w, b = (t.to(dtype) for t in (x, w, b))
        for bias in (b, None):
            buffer = torch.full((2, 13, 6), math.nan, dtype=dtype)
            true = x[:, 2:7].double() @ w.double().T + (0 if bias is None else bias.double())
            with torch.inference_mode():
                kernels.linear_into(buffer[:, 4:9], x[:, 2:7], w, bias)
            assert error(buffer[:, 4:9], true) < limit
            assert buffer[:, :4].isnan().all()
            assert buffer[:, 9:].isnan().all()


@pytest.mark.parametrize(("b", "h", "n", "d"), [(1, 1, 1, 2), (2, 3, 17, 6), (1, 2, 63, 10)])
def test_attention(b, h, n, d):
    def plain(q, k, v):
        scores = torch.einsum("bhnd,bhmd->bhnm", q, k) / math.sqrt(d)
        weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
        return torch.einsum("bhnm,bhmd->bnhd", weights, v).reshape(b, n, h * d)

    inputs = [draw(b, h, n, d, seed=s).requires_grad_() for s in range(3)]
    found, true = attention(*inputs), plain(*inputs)
    torch.testing.assert_close(found, true)
    weight = draw(*true.shape, seed=9)
    ours = torch.autograd.grad(found, inputs, weight)
    for a, c in zip(ours, torch.autograd.grad(true, inputs, weight), strict=True):
        torch.testing.assert_close(a, c)


@pytest.mark.parametrize("backend", ["reference", "eager"])
@pytest.mark.parametrize("dtype", LIMITS, ids=str)
def test_joint_attention_by_every_plan(backend, dtype, mask_of):
    qkv = draw(2, 23, 3, 2, 8).to(dtype)
    q, k, v = (part.double() for part in split_heads(qkv))
    for mode in ("full", "isolated", "video_sees_audio", "audio_sees_video", "exact_audio"):
        for audio, video in ((9, 14), (0, 23), (23, 0)):
            plan = AttentionPlan.of(mode, audio, video)
            scores = (q @ k.mT / math.sqrt(8)).masked_fill(~mask_of(plan), -math.inf)
            true = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
            with torch.inference_mode():
                found = implementation(backend, "joint_attention")(qkv, plan)
            assert error(found, true) < LIMITS[dtype]


def test_split_heads_reads_q_then_k_then_v_head_by_head():
    packed = torch.arange(2 * 3 * 24.0).view(2, 3, 24)
    q, k, v = split_heads(packed.unflatten(-1, (3, 2, -1)))
    assert q.shape == (2, 2, 3, 4)
    for index, part in enumerate((q, k, v)):
        for head in range(2):
            start = index * 8 + head * 4
            assert torch.equal(part[:, head], packed[..., start : start + 4])
