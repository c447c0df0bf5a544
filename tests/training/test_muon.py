"""Muon against torch's, and what its updates look like."""

from copy import deepcopy

import pytest
import torch

from jova_core.model.jova import JoVA
from jova_core.training.muon import Muon, orthogonal
from jova_core.training.settings import TrainSettings
from jova_core.training.weights import make_optimizers


@pytest.mark.parametrize("shape", [(3, 16, 48), (2, 48, 16), (1, 24, 24)])
def test_updates_are_nearly_orthogonal_and_point_the_same_way(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    made = orthogonal(matrices)
    assert made.shape == matrices.shape
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.4
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    exact = u @ v
    assert (made * exact).sum() / (made.norm() * exact.norm()) > 0.95


def test_a_zero_gradient_moves_nothing_but_the_decay():
    parameter = torch.nn.Parameter(torch.ones(4, 6))
    parameter.grad = torch.zeros(4, 6)
    Muon([parameter], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(parameter.detach(), torch.full((4, 6), 0.95))


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_follows_torchs_own_up_to_bf16(dtype):
    generator = torch.Generator().manual_seed(1)
    start = [torch.randn(s, generator=generator) for s in ((12, 40), (12, 40), (40, 12), (8, 8))]
    ours, theirs = ([torch.nn.Parameter(t.clone()) for t in start] for _ in range(2))
    settings = {"lr": 0.02, "weight_decay": 0.01}
    pair = (
        Muon(ours, **settings, dtype=dtype),
        torch.optim.Muon(theirs, **settings, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(4):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        for optimizer in pair:
            optimizer.step()
    for a, b, before in zip(ours, theirs, start, strict=True):
        moved = (b - before).norm()
        assert (a - b).norm() < 0.02 * moved


def test_its_state_survives_saving():
    parameter = torch.nn.Parameter(torch.randn(4, 4))
    optimizer = Muon([parameter], lr=0.1)
    parameter.grad = torch.randn(4, 4)
    optimizer.step()
    other = Muon([torch.nn.Parameter(parameter.detach().clone())], lr=0.1)
    other.load_state_dict(deepcopy(optimizer.state_dict()))
    twin = other.param_groups[0]["params"][0]
    twin.grad = parameter.grad.clone()
    optimizer.step()
    other.step()
    assert torch.equal(parameter, twin)


def test_it_moves_the_matrices_of_both_forms_of_a_block(tiny_config):
    """Sequential blocks have four matrices a stream, parallel ones two; modulation is AdamW's."""
    model = JoVA(tiny_config(single_form="parallel", dual_blocks=1, single_blocks=1))
    settings = TrainSettings(steps=1, batch=1, optimizer="muon")
    adamw, muon = make_optimizers(dict(model.named_parameters()), settings)
    moved = {id(p) for group in muon.param_groups for p in group["params"]}
    names = {n for n, p in model.named_parameters() if id(p) in moved}
    single = {n.split(".", 3)[3] for n in names if n.startswith("single_blocks")}
    dual = {n.split(".", 3)[3] for n in names if n.startswith("double_blocks")}
    assert single == {"linear1.weight", "linear2.weight"}
    assert dual == {f"{layer}.weight" for layer in ("qkv", "proj", "mlp.0", "mlp.2")}
    assert len(adamw.param_groups[0]["params"]) + len(moved) == len(list(model.parameters()))
