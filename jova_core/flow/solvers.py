"""Solvers of dx/dσ = v(x, σ): pure functions that know no model, modality or guidance.

`x` is any state with `add_scaled(other, factor)`, here `AVLatents`.
"""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

from ..latents import AVLatents

Velocity = Callable[[AVLatents, float], AVLatents]
Callback = Callable[[int, AVLatents, AVLatents], None]


def euler(
    velocity: Velocity, x: AVLatents, sigmas: Tensor, callback: Callback | None = None
) -> AVLatents:
    """First order, one velocity a step. `callback(step, x, x0_estimate)` runs before each step."""
    for step, (sigma, following) in enumerate(_pairs(sigmas)):
        v = velocity(x, sigma)
        if callback is not None:
            callback(step, x, x.add_scaled(v, -sigma))
        x = x.add_scaled(v, following - sigma)
    return x


def heun(
    velocity: Velocity, x: AVLatents, sigmas: Tensor, callback: Callback | None = None
) -> AVLatents:
    """Second order, two velocities a step but one for the last (EDM, arXiv 2206.00364, alg. 1)."""
    for step, (sigma, following) in enumerate(_pairs(sigmas)):
        v = velocity(x, sigma)
        if callback is not None:
            callback(step, x, x.add_scaled(v, -sigma))
        ahead = x.add_scaled(v, following - sigma)
        if following > 0:
            half = (following - sigma) / 2
            ahead = x.add_scaled(v, half).add_scaled(velocity(ahead, following), half)
        x = ahead
    return x


SOLVERS: dict[str, Callable[..., AVLatents]] = {"euler": euler, "heun": heun}


def _pairs(sigmas: Tensor) -> list[tuple[float, float]]:
    return list(pairwise(sigmas.tolist()))
