"""The straight path from data to noise, its velocity, and the sampling of timesteps."""

import math
from typing import Literal

import torch
from torch import Tensor

TimestepSampling = Literal["mode", "logit_normal", "uniform"]


def interpolate(x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """x_σ = (1 − σ)·x₀ + σ·ε; sigma broadcasts against x0."""
    return (1 - sigma) * x0 + sigma * noise


def velocity_target(x0: Tensor, noise: Tensor) -> Tensor:
    """v = dx_σ/dσ = ε − x₀."""
    return noise - x0


def timestep_quantile(u: Tensor, sampling: TimestepSampling, *, shift: float = 1.0) -> Tensor:
    """Uniform u in (0, 1) → sigma in (0, 1), distributed as `sampling` says.

    mode: 1 − u − 1.29·(cos²(πu/2) − 1 + u), SD3's heavy tails (arXiv 2403.03206, eq. 20);
    logit_normal: sigmoid of a standard normal (eq. 19). `shift` > 1 then moves mass towards noise.
    """
    if sampling == "mode":
        sigma = 1 - u - 1.29 * (torch.cos(math.pi / 2 * u) ** 2 - 1 + u)
    elif sampling == "logit_normal":
        sigma = torch.sigmoid(torch.special.ndtri(u))
    else:
        sigma = u
    return shift_sigma(sigma, shift)


def shift_sigma(sigma: Tensor, shift: float) -> Tensor:
    """shift·σ / (1 + (shift − 1)·σ) (SD3, eq. 23; ComfyUI's ModelSamplingSD3)."""
    return shift * sigma / (1 + (shift - 1) * sigma)
