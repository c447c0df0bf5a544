"""Loops that numba compiles at their first call, so that importing them costs nothing."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import JoVAError

# Literal numbers would turn float32 arithmetic into float64, so kernels wrap them in this.
F = np.float32
# Pixels need not agree between machines, only between runs on one.
OPTIONS = {"cache": True, "fastmath": True, "nogil": True, "error_model": "numpy"}


class Kernel:
    """A function compiled by numba when it is first called; kernels may call kernels."""

    def __init__(self, function: Callable) -> None:
        """Keep the function; nothing is imported yet."""
        functools.update_wrapper(self, function)
        self.function, self.compiled = function, None

    def __call__(self, *args: Any) -> Any:
        """Call the compiled function; JoVAError when numba is missing."""
        return self.compile()(*args)

    def compile(self) -> Callable:
        """The compiled function. Kernels among the names it uses are compiled with it."""
        if self.compiled is None:
            self.compiled = _numba().njit(**OPTIONS)(self.function)
            scope = self.function.__globals__
            for name in self.function.__code__.co_names:
                if isinstance(scope.get(name), Kernel):
                    scope[name] = scope[name].compile()
        return self.compiled


def kernel(function: Callable) -> Kernel:
    """Marks a function for compilation by numba at its first call."""
    return Kernel(function)


def _numba() -> Any:
    try:
        import numba
    except ImportError as error:
        raise JoVAError(
            "Drawing people needs numba, which is not installed; "
            "install it with: pip install 'jova[data]'."
        ) from error
    return numba
