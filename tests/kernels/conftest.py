"""What the tests of the kernels share."""

import pytest
import torch


@pytest.fixture
def mask_of():
    """A plan as a bool mask `[N, N]`, True where a row (first axis) sees another."""

    def mask(plan):
        count = plan.parts[-1].queries[1]
        seen = torch.zeros(count, count, dtype=torch.bool)
        for part in plan.parts:
            seen[slice(*part.queries), slice(*part.keys)] = True
        return seen

    return mask


@pytest.fixture
def nan_filled(monkeypatch):
    """New memory holds NaN, so that what an operation forgets to write is seen."""

    def poisoned(make):
        def new(*args, **kwargs):
            made = make(*args, **kwargs)
            return made.fill_(float("nan")) if made.is_floating_point() else made

        return new

    for name in ("empty", "empty_like"):
        monkeypatch.setattr(torch, name, poisoned(getattr(torch, name)))
    for name in ("new_empty",):
        monkeypatch.setattr(torch.Tensor, name, poisoned(getattr(torch.Tensor, name)))
