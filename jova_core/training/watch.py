"""Whether the loss of a run explodes: several steps in a row far above its running median."""

from collections import deque
from collections.abc import Iterable
from statistics import median

# Values are ours: single steps differ by their timesteps, five in a row do not.
FACTOR, IN_A_ROW = 3.0, 5
WINDOW, FEWEST = 100, 5  # losses that the median is of


class LossWatch:
    """Keeps the losses of the last steps, without those that were too high."""

    def __init__(self, losses: Iterable[float] = ()) -> None:
        self.calm = deque(losses, WINDOW)
        self.high_in_a_row = 0

    @property
    def usual(self) -> float:
        """The running median; NaN before there is one."""
        return median(self.calm) if self.calm else float("nan")

    def is_high(self, loss: float) -> bool:
        """Whether a loss is over FACTOR times the running median."""
        return len(self.calm) >= FEWEST and loss > FACTOR * self.usual

    def note(self, loss: float, high: bool) -> None:
        """Remember the loss of a step."""
        self.high_in_a_row = self.high_in_a_row + 1 if high else 0
        if not high:
            self.calm.append(loss)

    @property
    def exploded(self) -> bool:
        """Whether the last steps were all too high."""
        return self.high_in_a_row >= IN_A_ROW
