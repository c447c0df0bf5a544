"""Step cache: the last velocity is reused while velocities hardly change.

After EasyCache (arXiv 2507.02860), which estimates the change from the last computed steps and
needs no calibration. Ours looks at both streams and the one with more change decides: lips that lag
behind a voice are noticed before blurred pictures are.
"""

import torch

from ..latents import AVLatents
from .solvers import Velocity


class StepCache:
    """A velocity, computed anew only after enough expected change in either stream.

    `change` is the allowed relative change of a reused velocity, 0 for none. One
    object serves one sampling; `computed` counts its calls of the velocity.
    """

    def __init__(self, velocity: Velocity, change: float) -> None:
        self.velocity, self.change = velocity, change
        self.computed = 0
        self._last: tuple[float, AVLatents] | None = None
        self._rate: float | None = None  # relative change for each unit of noise

    def __call__(self, x: AVLatents, sigma: float) -> AVLatents:
        """The velocity at x and a noise level: the last one, or a new one."""
        if self._last is not None and self._rate is not None:
            before, old = self._last
            if self._rate * abs(before - sigma) < self.change:
                return old
        new = self.velocity(x, sigma)
        self.computed += 1
        if self._last is not None:
            before, old = self._last
            self._rate = relative_change(old, new) / max(abs(before - sigma), 1e-9)
        self._last = (sigma, new)
        return new


def relative_change(before: AVLatents, after: AVLatents) -> float:
    """‖after − before‖ / ‖after‖ of the stream with more change; 0 for zero velocities."""
    changes = []
    for name in ("video", "audio"):
        old, new = getattr(before, name), getattr(after, name)
        if new is not None:
            length = torch.linalg.vector_norm(new)
            moved = torch.linalg.vector_norm(new - old)
            changes.append(float(moved / length) if length > 0 else 0.0)
    return max(changes)
