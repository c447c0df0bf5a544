"""Times of several calls, measured in turn, so that a slow moment meets every one."""

import time
from collections.abc import Callable, Hashable
from statistics import median
from typing import Any, TypeVar

import torch

Call = Callable[[], Any]
Name = TypeVar("Name", bound=Hashable)


def rounds(
    parts: dict[Name, Call],
    repeat: int,
    *,
    timed: Callable[[Call], float] | None = None,
    warm: int = 1,
) -> dict[Name, list[float]]:
    """Seconds of each part in each of `repeat` rounds, after `warm` rounds for warming up.

    Every round begins with another part. `timed` measures a call, by default `wall`.
    """
    timed, calls = timed or wall, list(parts.items())
    seconds: dict[Name, list[float]] = {name: [] for name in parts}
    for turn in range(warm + repeat):
        first = turn % len(calls)
        for name, call in calls[first:] + calls[:first]:
            spent = timed(call)
            if turn >= warm:
                seconds[name].append(spent)
    return seconds


def medians(parts: dict[str, Call], repeat: int) -> dict[str, float]:
    """The median wall seconds of each part's rounds."""
    return {name: median(times) for name, times in rounds(parts, repeat).items()}


def wall(call: Call) -> float:
    """Seconds on the clock."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def thread(call: Call) -> float:
    """Seconds that this thread computed, whatever runs beside it."""
    start = time.thread_time()
    call()
    return time.thread_time() - start


def gpu(call: Call) -> float:
    """Seconds between two events on the current GPU's queue."""
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    call()
    last.record()
    torch.cuda.synchronize()
    return first.elapsed_time(last) / 1000
