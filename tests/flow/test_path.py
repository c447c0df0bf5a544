"""The straight path, its velocity, and the laws by which training picks noise levels."""

import math

import numpy as np
import pytest
import torch

from jova_core.flow.path import interpolate, shift_sigma, timestep_quantile, velocity_target

LAWS = ("mode", "logit_normal", "uniform")
U = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000


def _draw(seed):
    return torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(seed)).double()


def test_the_path_ends_at_data_and_noise():
    x0, noise = _draw(0), _draw(1)
    assert torch.equal(interpolate(x0, noise, torch.tensor(0.0)), x0)
    assert torch.equal(interpolate(x0, noise, torch.tensor(1.0)), noise)


def test_velocity_is_the_paths_derivative():
    x0, noise = _draw(0), _draw(1)
    sigma = torch.full((2, 1, 4, 1, 1), 0.3, dtype=torch.float64, requires_grad=True)
    path = interpolate(x0, noise, sigma)
    slope = torch.autograd.grad(path.sum(), sigma)[0]
    torch.testing.assert_close(slope.sum(), velocity_target(x0, noise).sum())
    step = interpolate(x0, noise, sigma + 0.1) - path
    torch.testing.assert_close(step / 0.1, velocity_target(x0, noise))
    # One Euler step from anywhere on the path is exact both ways.
    torch.testing.assert_close(path - sigma * velocity_target(x0, noise), x0)
    torch.testing.assert_close(path + (1 - sigma) * velocity_target(x0, noise), noise)


def test_sigma_may_differ_by_frame():
    x0, noise = _draw(0), _draw(1)
    sigma = torch.tensor([0.0, 0.2, 0.7, 1.0], dtype=torch.float64).view(1, 1, 4, 1, 1)
    mixed = interpolate(x0, noise, sigma)
    assert torch.equal(mixed[:, :, 0], x0[:, :, 0])
    assert torch.equal(mixed[:, :, 3], noise[:, :, 3])


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0, 5.0])
def test_sigmas_lie_in_the_open_interval_and_are_monotone(law, shift):
    sigma = timestep_quantile(U, law, shift=shift)
    assert sigma.min() > 0
    assert sigma.max() < 1
    steps = sigma.diff()
    assert (steps > 0).all() or (steps < 0).all()


@pytest.mark.parametrize("law", LAWS)
def test_a_larger_shift_looks_at_more_noise(law):
    means = [timestep_quantile(U, law, shift=shift).mean().item() for shift in (1.0, 3.0, 5.0)]
    assert means == sorted(means)
    assert means[0] == pytest.approx(0.5, abs=1e-3)  # all three are symmetric


def test_mode_agrees_with_its_density():
    """Its histogram is the density |du/dσ| from a numeric inverse of the formula."""
    s = 1.29

    def formula(u):
        return 1 - u - s * (np.cos(math.pi / 2 * u) ** 2 - 1 + u)

    grid = np.linspace(0, 1, 200_001)
    inverse = np.interp(np.linspace(0, 1, 41), formula(grid)[::-1], grid[::-1])
    expected = -np.diff(inverse)
    sigma = timestep_quantile(U, "mode").numpy()
    counts, _ = np.histogram(sigma, bins=np.linspace(0, 1, 41))
    np.testing.assert_allclose(counts / len(sigma), expected, atol=2e-4)
    # s = 1.29 looks more often at the middle than at both ends, but never leaves those out.
    assert counts[20] > 2 * counts[0] > 0


def test_logit_normal_is_the_sigmoid_of_a_normal():
    sigma = timestep_quantile(U, "logit_normal")
    logits = torch.log(sigma / (1 - sigma))
    assert logits.mean().item() == pytest.approx(0, abs=1e-6)
    assert logits.std().item() == pytest.approx(1, abs=1e-2)
    inside = ((logits > -1) & (logits < 1)).double().mean().item()
    assert inside == pytest.approx(math.erf(1 / math.sqrt(2)), abs=1e-3)


def test_shift():
    sigma = torch.linspace(0, 1, 11, dtype=torch.float64)
    assert torch.equal(shift_sigma(sigma, 1.0), sigma)
    assert shift_sigma(sigma, 3.0)[5].item() == pytest.approx(0.75)
    assert (shift_sigma(sigma, 3.0)[[0, -1]] == torch.tensor([0.0, 1.0])).all()
    torch.testing.assert_close(shift_sigma(shift_sigma(sigma, 3.0), 1 / 3), sigma)
    torch.testing.assert_close(shift_sigma(shift_sigma(sigma, 2.0), 1.5), shift_sigma(sigma, 3.0))
