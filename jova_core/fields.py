"""Fields of frozen dataclasses by their type hints: read from JSON, and checked."""

import dataclasses
import math
from dataclasses import fields
from fractions import Fraction
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .errors import JoVAError


def build(cls: type, value: Any, where: str) -> Any:
    """`value` from JSON as an instance of the dataclass `cls`, nested ones and tuples included.

    Raises ValueError with the name of the wrong, unknown or missing field.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {value!r:.40}, not an object")
    hints = get_type_hints(cls)
    own = {f.name: f for f in fields(cls)}
    needed = {n for n, f in own.items() if f.default is f.default_factory is dataclasses.MISSING}
    for problem, names in (("unknown", set(value) - set(own)), ("missing", needed - set(value))):
        if names:
            raise ValueError(f"{problem} fields in {where}: {', '.join(sorted(names))}")
    return cls(**{name: _convert(hints[name], item, name) for name, item in value.items()})


def _convert(hint: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return build(hint, value, name)
    if get_origin(hint) is tuple:
        inner, *rest = get_args(hint)
        if not isinstance(value, list) or (rest[-1] is not ... and len(value) != 1 + len(rest)):
            size = "" if rest[-1] is ... else f" of {1 + len(rest)}"
            raise ValueError(f"{name} is {value!r:.40}, not a list{size}")
        return tuple(_convert(inner, item, name) for item in value)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(f"{name} is {value!r:.40}; expected one of {get_args(hint)}")
        return value
    accepted = {float: (int, float), Fraction: (int, str)}.get(hint, (hint,))
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"{name} is {value!r:.40}, not of type {hint.__name__}")
    try:
        return hint(value)
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"{name} is {value!r:.40}, not of type {hint.__name__}") from error


def check_choices(owner: Any) -> None:
    """Raises JoVAError for a field outside the values of its `Literal` hint."""
    for name, hint in get_type_hints(type(owner)).items():
        value = getattr(owner, name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            raise JoVAError(f"{name} is {value!r}; use one of {', '.join(get_args(hint))}.")


def check_numbers(owner: Any, names: str, *, zero: bool = False) -> None:
    """Named fields, and each entry of a tuple, must be finite and above 0, or 0 if `zero`.

    Raises JoVAError for the first other value.
    """
    for name in names.split():
        value = getattr(owner, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not (math.isfinite(number) and (number > 0 or (zero and number == 0))):
                least = "0 or more" if zero else "a number above 0"
                raise JoVAError(f"{type(owner).__name__}.{name} is {value}; give {least}.")
