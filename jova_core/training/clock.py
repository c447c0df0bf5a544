"""A run that ends by the time."""

import math
from dataclasses import dataclass

from ..errors import JoVAError


@dataclass(frozen=True, kw_only=True)
class Clock:
    """A run stops `seconds` after its start; over the last `cooldown` of them its rate falls to 0.

    A run that is stopped to be resumed has no such cool-down, or each part would end with one.
    """

    seconds: float = math.inf
    cooldown: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.cooldown <= self.seconds or self.cooldown == math.inf:
            raise JoVAError(
                f"Got a cool-down of {self.cooldown:g} s in a run of {self.seconds:g} s; give one "
                "that is no longer than the run."
            )

    def share(self, passed: float) -> float:
        """The share of the rate that is left, `passed` seconds after the start."""
        if not self.cooldown:
            return 1.0
        return min(1.0, max(0.0, (self.seconds - passed) / self.cooldown))
