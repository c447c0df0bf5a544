"""Worker processes: started afresh, named when one is killed, gone when their parent is."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

from .errors import JoVAError


def start_pool(
    workers: int, initializer: Callable[..., object] | None = None, initargs: tuple[Any, ...] = ()
) -> ProcessPoolExecutor:
    """A pool of new processes; `initializer(*initargs)` is called once in each.

    Forked ones would inherit torch's and MediaPipe's threads half alive.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, _start, (initializer, initargs))


def _start(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    """In a worker: end with the parent, whose queue it else waits for with all its memory."""
    threading.Thread(
        target=_end_with, args=(multiprocessing.parent_process(),), daemon=True
    ).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with(parent: Any) -> None:
    wait([parent.sentinel])
    os._exit(1)


@contextmanager
def killed_workers_named() -> Iterator[None]:
    """JoVAError where a process of a pool ended before its work did."""
    try:
        yield
    except BrokenProcessPool as error:
        raise JoVAError(
            "A worker process was killed, perhaps for want of memory, or could not start. What is "
            "finished is kept; run it again, with fewer workers if it happens again."
        ) from error


@contextmanager
def process_pool(
    workers: int, initializer: Callable[..., object] | None = None, initargs: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """`start_pool`, shut down afterwards; JoVAError where a process is killed."""
    with killed_workers_named(), start_pool(workers, initializer, initargs) as pool:
        yield pool
