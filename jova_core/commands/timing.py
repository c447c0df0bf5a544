"""Times of several things measured side by side, so that a slow moment meets every one."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any


def rounds(parts: dict[str, Callable[[], Any]], repeat: int) -> dict[str, list[float]]:
    """Wall seconds of each part in each of `repeat` rounds, after one that warms up."""
    times: dict[str, list[float]] = {name: [] for name in parts}
    for turn in range(repeat + 1):
        for name, part in parts.items():
            start = time.perf_counter()
            part()
            if turn:
                times[name].append(time.perf_counter() - start)
    return times


def medians(parts: dict[str, Callable[[], Any]], repeat: int) -> dict[str, float]:
    """The median of each part's rounds."""
    return {name: median(times) for name, times in rounds(parts, repeat).items()}
