"""A list of measurements under a limit of time: each stands alone, and all is written at once.

One that fails costs its own rows; its traceback stands in the JSON, as do the names of those that
the time did not reach.
"""

import gc
import json
import platform
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ...errors import JoVAError
from ...files import atomic_write
from ..block import machine
from ..timing import gpu, rounds, thread

Row = dict[str, Any]
Call = Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a script is run.

    tiny: small sizes on the CPU, which test its own code. seconds: nothing is begun after so many.
    out: the folder for JSON and tables. only: items whose names contain it; empty is all.
    """

    tiny: bool = False
    repeat: int = 5
    seconds: float = 240.0
    out: Path | None = None
    only: str = ""

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise JoVAError(f"Got a limit of {self.seconds:g} s; expected seconds above 0.")
        if not self.tiny and not torch.cuda.is_available():
            raise JoVAError(
                "Got a machine without a CUDA device; expected one; run the script with --tiny to "
                "test it on a CPU, or `jova bench kernels` to measure this machine."
            )

    @property
    def device(self) -> str:
        """Where everything is computed."""
        return "cpu" if self.tiny else "cuda"

    @property
    def compiler(self) -> str:
        """The backend of torch.compile: the real one takes a CPU minutes."""
        return "eager" if self.tiny else "inductor"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One measurement by name; its rows have columns by name."""

    name: str
    run: Callable[[], list[Row]]


def run_items(name: str, items: Sequence[Item], plan: Plan) -> dict[str, Any]:
    """Figures of the items in their order, also written to `<out>/<name>.json` and `.txt`."""
    start = time.monotonic()
    chosen = [item for item in items if plan.only in item.name]
    if not chosen:
        names = ", ".join(item.name for item in items)
        raise JoVAError(f"Got --only {plan.only}; expected a part of one of these names: {names}.")
    figures: dict[str, Any] = {"script": name, **about(plan), "items": [], "skipped": []}
    for item in chosen:
        begun = time.monotonic() - start
        if begun > plan.seconds:
            figures["skipped"].append(item.name)
        else:
            result = _attempt(item)
            seconds = time.monotonic() - start - begun
            figures["items"].append({"name": item.name, "seconds": seconds, **result})
            _release(plan)
        figures["seconds"] = time.monotonic() - start
        _write(name, figures, plan)
    return figures


def about(plan: Plan) -> dict[str, Any]:
    """What the figures were measured on and by which versions."""
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    for package in ("triton", "diffusers"):
        try:
            versions[package] = __import__(package).__version__
        except ImportError:
            versions[package] = None
    if plan.tiny:
        return {"device": machine()["cpu"], "tiny": True, **versions}
    card = torch.cuda.get_device_properties(0)
    return {"device": card.name, "memory_gb": card.total_memory / 1e9, "tiny": False, **versions}


def _attempt(item: Item) -> dict[str, Any]:
    try:
        return {"rows": item.run()}
    except Exception as error:  # whatever it is, the other items are measured
        return {"rows": [], **failure(error)}


def _release(plan: Plan) -> None:
    gc.collect()
    torch.compiler.reset()
    if not plan.tiny:
        torch.cuda.empty_cache()


def failure(error: BaseException) -> Row:
    """What is kept of an error that is being handled: its kind and first line, its traceback."""
    first = [*str(error).splitlines(), ""][0]
    lines = {"failure": f"{type(error).__name__}: {first}"[:300]}
    return lines | {"traceback": traceback.format_exc()}


def seconds_of(
    ways: dict[str, Call], plan: Plan, *, in_a_row: int = 5
) -> tuple[dict[str, float], list[Row]]:
    """Median seconds of each way, all in turn in each round, and a row for each that fails.

    A time is that of several calls in a row, so that a GPU never waits for the next one.
    """
    ready, failed = {}, []
    count = 1 if plan.tiny else in_a_row
    for name, call in ways.items():
        try:
            call()
            ready[name] = lambda call=call: [call() for _ in range(count)]
        except Exception as error:  # a backend that this GPU or build does not have, for one
            failed.append({"way": name, **failure(error)})
    if not ready:
        return {}, failed
    found = rounds(ready, plan.repeat, timed=thread if plan.tiny else gpu)
    return {name: median(values) / count for name, values in found.items()}, failed


def failures(figures: dict[str, Any]) -> list[str]:
    """What went wrong: items that failed, rows that failed, rows whose error is over its limit."""
    found = []
    for item in figures["items"]:
        if "failure" in item:
            found.append(f"{item['name']} ({item['failure']})")
        for row in item["rows"]:
            label = " ".join(str(value) for value in list(row.values())[:3])
            if row.get("ok") is False:
                found.append(f"{item['name']}: {label} is not exact enough")
            elif "failure" in row:
                found.append(f"{item['name']}: {label}")
    return found


def script_table(figures: dict[str, Any]) -> str:
    """All figures as text for people: a table for each item, then what failed or was left out."""
    head = [f"{key} {figures[key]}" for key in ("script", "device", "torch", "triton", "diffusers")]
    lines = [", ".join(head) + f", {figures['seconds']:.0f} s"]
    for item in figures["items"]:
        lines += ["", f"{item['name']} ({item['seconds']:.1f} s)", *_table(item["rows"])]
    lines += ["", *(f"FAILED {text}" for text in failures(figures))]
    if figures["skipped"]:
        lines.append(f"not reached in time: {', '.join(figures['skipped'])}")
    return "\n".join(lines)


def _table(rows: list[Row]) -> list[str]:
    names = [n for n in dict.fromkeys(key for row in rows for key in row) if n != "traceback"]
    cells = [names, *([_shown(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    return ["  ".join(cell.ljust(n) for cell, n in zip(r, widths, strict=True)) for r in cells]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2e}" if 0 < abs(value) < 1e-2 else f"{value:.4g}"
    return str(value)


def _write(name: str, figures: dict[str, Any], plan: Plan) -> None:
    if plan.out is None:
        return
    plan.out.mkdir(parents=True, exist_ok=True)
    for suffix, text in (("json", json.dumps(figures, indent=1)), ("txt", script_table(figures))):
        with atomic_write(plan.out / f"{name}.{suffix}") as temporary:
            Path(temporary).write_text(f"{text}\n", encoding="utf-8")
