"""Output of the commands: remarks and progress on stderr, results on stdout."""

import sys
from collections.abc import Callable
from types import TracebackType

from tqdm import tqdm


def note(text: str) -> None:
    """One remark for the user."""
    sys.stderr.write(f"jova: {text}\n")


def result(text: str) -> None:
    """The result of a command."""
    sys.stdout.write(f"{text}\n")


class Bar:
    """A progress bar fed with (done, total); a context manager."""

    def __init__(self, label: str, unit: str) -> None:
        self._bar = tqdm(desc=label, unit=unit)

    def __enter__(self) -> Callable[[int, int], None]:
        return self._show

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def _show(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)
