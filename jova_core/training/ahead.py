"""Values made in threads before they are asked for."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TypeVar

Made = TypeVar("Made")


def made_ahead(make: Callable[[int], Made], first: int, threads: int) -> Iterator[Made]:
    """`make` of `first` and all numbers after it, in order; `threads` threads make the next ones.

    Close it, or its threads finish what they have begun only when it is collected.
    """
    if not threads:
        yield from map(make, count(first))  # without end
    pool = ThreadPoolExecutor(threads)
    try:
        waiting = deque(pool.submit(make, first + number) for number in range(2 * threads))
        for number in count(first + 2 * threads):
            yield waiting.popleft().result()
            waiting.append(pool.submit(make, number))
    finally:
        pool.shutdown(cancel_futures=True)
