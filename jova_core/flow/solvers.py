"""Solvers of dx/dσ = v(x, σ): pure functions that know no model, modality or guidance.

`x` is any state with `add_scaled(other, factor)`, here `AVLatents`.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from torch import Tensor

from ..latents import AVLatents

Velocity = Callable[[AVLatents, float], AVLatents]
Callback = Callable[[int, AVLatents, AVLatents], None]


def _euler_step(
    _velocity: Velocity, x: AVLatents, v: AVLatents, sigma: float, following: float
) -> AVLatents:
    """First order, one velocity a step."""
    return x.add_scaled(v, following - sigma)


def _heun_step(
    velocity: Velocity, x: AVLatents, v: AVLatents, sigma: float, following: float
) -> AVLatents:
    """Second order, two velocities a step but one for the last (EDM, arXiv 2206.00364, alg. 1)."""
    ahead = x.add_scaled(v, following - sigma)
    if following == 0:
        return ahead
    half = (following - sigma) / 2
    return x.add_scaled(v, half).add_scaled(velocity(ahead, following), half)


def _solve(
    advance: Callable[..., AVLatents],
    velocity: Velocity,
    x: AVLatents,
    sigmas: Tensor,
    callback: Callback | None = None,
) -> AVLatents:
    """Steps along descending sigmas; `callback(step, x, x0_estimate)` runs before each."""
    for step, (sigma, following) in enumerate(pairwise(sigmas.tolist())):
        v = velocity(x, sigma)
        if callback is not None:
            callback(step, x, x.add_scaled(v, -sigma))
        x = advance(velocity, x, v, sigma, following)
    return x


euler, heun = partial(_solve, _euler_step), partial(_solve, _heun_step)
SOLVERS: dict[str, Callable[..., AVLatents]] = {"euler": euler, "heun": heun}
