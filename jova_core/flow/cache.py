"""Steps that repeat: where a velocity hardly changes, the last one does again.

After EasyCache (arXiv 2507.02860), which estimates the change from the last computed steps and
needs no calibration. Ours looks at both streams and lets the one that moves more decide, as lips
that stop following a voice are seen before blurred pictures are.
"""

import torch

from ..latents import AVLatents
from .solvers import Velocity


class StepCache:
    """A velocity that is computed only when either stream is expected to have changed enough.

    `change` is the allowed relative change of a velocity since it was computed, 0 for none. One
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
            before, known = self._last
            if self._rate * abs(before - sigma) < self.change:
                return known
        made = self.velocity(x, sigma)
        self.computed += 1
        if self._last is not None:
            before, known = self._last
            self._rate = relative_change(known, made) / max(abs(before - sigma), 1e-9)
        self._last = (sigma, made)
        return made


def relative_change(before: AVLatents, after: AVLatents) -> float:
    """‖after − before‖ / ‖after‖ of the stream that changed more; of one that stands still, 0."""
    changes = []
    for name in ("video", "audio"):
        old, new = getattr(before, name), getattr(after, name)
        if new is not None:
            length = torch.linalg.vector_norm(new)
            moved = torch.linalg.vector_norm(new - old)
            changes.append(float(moved / length) if length > 0 else 0.0)
    return max(changes)
