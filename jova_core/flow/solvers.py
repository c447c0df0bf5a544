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


def _solve(
    velocity: Velocity,
    x: AVLatents,
    sigmas: Tensor,
    callback: Callback | None = None,
    *,
    second_order: bool,
) -> AVLatents:
    """Euler's or Heun's method; `callback(step, x, x0_estimate)` runs before each step.

    First order takes one velocity a step. Second order takes two, but one for the last step (EDM,
    arXiv 2206.00364, alg. 1).
    """
    for step, (sigma, following) in enumerate(pairwise(sigmas.tolist())):
        v = velocity(x, sigma)
        if callback is not None:
            callback(step, x, x.add_scaled(v, -sigma))
        ahead = x.add_scaled(v, following - sigma)
        if second_order and following > 0:
            half = (following - sigma) / 2
            ahead = x.add_scaled(v, half).add_scaled(velocity(ahead, following), half)
        x = ahead
    return x


euler, heun = partial(_solve, second_order=False), partial(_solve, second_order=True)


def ab2(
    velocity: Velocity, x: AVLatents, sigmas: Tensor, callback: Callback | None = None
) -> AVLatents:
    """Second-order Adams–Bashforth for uneven steps: one velocity a step and the one before.

    The line through both is integrated; the first step is Euler's.
    """
    earlier: tuple[float, AVLatents] | None = None
    for step, (sigma, following) in enumerate(pairwise(sigmas.tolist())):
        v, size = velocity(x, sigma), following - sigma
        if callback is not None:
            callback(step, x, x.add_scaled(v, -sigma))
        x = x.add_scaled(v, size)
        if earlier is not None:
            before, old = earlier
            bend = size**2 / (2 * (sigma - before))
            x = x.add_scaled(v, bend).add_scaled(old, -bend)
        earlier = (sigma, v)
    return x


SOLVERS: dict[str, Callable[..., AVLatents]] = {"euler": euler, "heun": heun, "ab2": ab2}
