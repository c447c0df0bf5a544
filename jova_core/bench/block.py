"""`jova bench block`: our block beside those of other systems, per FLOP, in one interleaved run.

Two sets of switches are measured. "defaults": every system as it ships, ours with `fast_fp32`.
"equal": `fast_fp32` and attention in fp32 for everybody, so that only the blocks differ. On a GPU
"defaults" changes nothing and "equal" gives everybody cuDNN's attention.
"""

import platform
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import JoVAError
from ..kernels import fast_fp32
from .peers import (
    DTYPES,
    PEERS,
    WORST,
    BlockSize,
    Contender,
    contenders,
    joint_block,
    plain_forward,
    wide_attention,
)
from .timing import gpu, rounds, thread

SWITCHES = ("defaults", "equal")
ROOF = "roof"
CUDNN_FIRST = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of each round by (switches, contender's name), and the roof of the same rounds.

    The roof is how many FLOP a second the products and the attention of a block reach alone.
    """

    rounds: dict[tuple[str, str], list[float]]
    products: float
    attention: float

    def roof(self, contender: Contender) -> float:
        """Seconds of a contender at the roof."""
        return contender.products / self.products + contender.attention / self.attention


def bench_block(size: BlockSize, repeat: int) -> dict[str, Any]:
    """All figures of `jova bench block`; the top level repeats those of bf16.

    Raises JoVAError if our block is less exact than plain torch allows: then nothing is measured.
    """
    errors = {name: check(size, dtype) for name, dtype in DTYPES.items()}
    figures: dict[str, Any] = {"tokens": size.tokens, "dim": size.dim, "error": errors, "rows": []}
    for name, dtype in DTYPES.items():
        group = contenders(size, dtype)
        with _threads(1):
            times = measure(group, size, dtype, repeat)
        with _threads(2):
            walls = _wall_times(group)
        figures["rows"] += block_rows(name, group, times, walls)
        figures[name] = summary(group, times)
    return machine() | figures["bf16"] | figures


def machine() -> dict[str, str]:
    """The machine of the figures."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.processor(), "torch": torch.__version__}


def check(size: BlockSize, dtype: torch.dtype, device: str = "cpu") -> dict[str, float]:
    """Relative error of our dual block and of plain torch against fp64.

    Raises JoVAError if ours is more than twice the other.
    """
    with fast_fp32(), torch.inference_mode():
        block, x, joint, attend = joint_block("dual", size, dtype, device)
        ours = block(x.clone(), joint, attend).double()
        plain = plain_forward(block, x, joint, attend).double()
        exact = plain_forward(*joint_block("dual", size, torch.float64, device))
    # What the block adds is compared; beside the residual stream any error would look small.
    _, start, _, _ = joint_block("dual", size, torch.float64, device)
    scale = (exact - start).norm()
    error, allowed = (float((result - exact).norm() / scale) for result in (ours, plain))
    if not error <= WORST * allowed:
        raise JoVAError(
            f"Our block in {dtype} is off by {error:.2e} from fp64, plain torch by {allowed:.2e}; "
            "a speed would mean nothing, so none is measured. Please report this."
        )
    return {"ours": error, "plain": allowed}


def measure(
    group: list[Contender], size: BlockSize, dtype: torch.dtype, repeat: int, device: str = "cpu"
) -> Times:
    """Seconds of every contender under both switches, all in turn, in every round.

    On a CPU those that this thread computed, on a GPU those of its queue.
    """
    parts = {
        (switch, contender.name): under(switch, contender.name, contender.run, device)
        for switch in SWITCHES
        for contender in group
    }
    # In fp32 on a CPU, where that is the faster way for both types.
    attended = torch.float32 if device == "cpu" else dtype
    for name, call in (
        ("products", _products(size, dtype, device)),
        ("attention", _attention(size, attended, device)),
    ):
        parts[ROOF, name] = under(ROOF, name, call, device)
    timed = thread if device == "cpu" else gpu
    found = rounds(parts, repeat, timed=lambda call: _second(call, timed))
    products, attention = (median(found.pop((ROOF, part))) for part in ("products", "attention"))
    return Times(
        rounds=found,
        products=2 * size.tokens * 12 * size.dim**2 / products,
        attention=4 * size.tokens**2 * size.dim / attention,
    )


def _second(call: Callable[[], Any], timed: Callable[[Callable[[], Any]], float]) -> float:
    """Seconds of the second of two calls: in a network a block like it has just run."""
    call()
    return timed(call)


def under(switch: str, name: str, run: Callable[[], Any], device: str = "cpu") -> Callable[[], Any]:
    """A call of a contender with a set of switches."""

    def call() -> Any:
        with torch.inference_mode(), switches(switch, name, device):
            return run()

    return call


@contextmanager
def switches(name: str, contender: str, device: str = "cpu") -> Iterator[None]:
    """The backend switches that a set gives a contender; on a GPU cuDNN's attention is one."""
    with ExitStack() as stack:
        if device != "cpu":
            if name != "defaults":
                stack.enter_context(sdpa_kernel(CUDNN_FIRST, set_priority=True))
            yield
            return
        own = contender.startswith("jova") and "plain" not in contender
        if name != "defaults" or own:
            stack.enter_context(fast_fp32())
        if name == "equal":
            stack.enter_context(wide_attention())
        yield


def interval(values: list[float], draws: int = 2000) -> list[float]:
    """95 % bootstrap interval of the median."""
    chance = random.Random(0)
    medians = sorted(median(chance.choices(values, k=len(values))) for _ in range(draws))
    return [medians[int(0.025 * draws)], medians[int(0.975 * draws) - 1]]


def _products(size: BlockSize, dtype: torch.dtype, device: str) -> Callable[[], Any]:
    """The products of a block at its joint length, alone and out of one buffer."""
    dim = size.dim
    shapes = ((dim, 3 * dim), (dim, dim), (dim, 4 * dim), (4 * dim, dim))
    parts = [
        tuple(torch.randn(rows, k, device=device).to(dtype) for rows in (size.tokens, n))
        for k, n in shapes
    ]
    return lambda: [F.linear(x, weight) for x, weight in parts]


def _attention(size: BlockSize, dtype: torch.dtype, device: str) -> Callable[[], Any]:
    """Attention at the block's shape."""
    shape = (3, 1, size.heads, size.tokens, size.head_dim)
    q, k, v = torch.randn(shape, device=device).to(dtype)
    return lambda: F.scaled_dot_product_attention(q, k, v)


def block_rows(
    dtype: str, group: list[Contender], times: Times, walls: dict[str, float]
) -> list[dict[str, Any]]:
    """A row for each contender and set of switches; walls: seconds on two threads, where taken."""
    rows = []
    for switch in SWITCHES:
        for contender in group:
            seconds = median(times.rounds[switch, contender.name])
            rows.append(
                {
                    "dtype": dtype,
                    "switches": switch,
                    "name": contender.name,
                    "ms": 1000 * seconds,
                    "gflops": contender.flops / seconds / 1e9,
                    "roof_fraction": times.roof(contender) / seconds,
                    "wall_ms_two_threads": 1000 * walls[contender.name]
                    if switch == "defaults" and contender.name in walls
                    else None,
                }
            )
    return rows


def summary(group: list[Contender], times: Times) -> dict[str, Any]:
    """How far ours are from the roof, and how much faster per FLOP than plain torch and peers."""
    peers = [name for name in PEERS if any(c.system == name for c in group)]
    best = {
        switch: min(peers, key=lambda name, s=switch: median(_per_flop(group, times, s, name)))
        for switch in SWITCHES
    }
    ours = [c for c in group if c.system == "jova"]
    spent = sum(median(times.rounds["defaults", c.name]) for c in ours)
    roof = sum(times.roof(c) for c in ours)
    figures: dict[str, Any] = {"roof_fraction": roof / spent}
    for key, switch, rival in (
        ("speedup_vs_eager", "defaults", "plain"),
        ("speedup_vs_best_peer", "defaults", best["defaults"]),
        ("speedup_vs_best_peer_equal_flags", "equal", best["equal"]),
    ):
        theirs, mine = (_per_flop(group, times, switch, name) for name in (rival, "jova"))
        ratios = [a / b for a, b in zip(theirs, mine, strict=True)]
        figures |= {key: median(ratios), f"{key}_interval": interval(ratios)}
    return figures | {"best_peer": best["defaults"], "best_peer_equal_flags": best["equal"]}


def _per_flop(group: list[Contender], times: Times, switch: str, system: str) -> list[float]:
    """Seconds per FLOP of a system's blocks together, round by round."""
    own = [c for c in group if c.system == system]
    flops = sum(c.flops for c in own)
    rounds = zip(*(times.rounds[switch, c.name] for c in own), strict=True)
    return [sum(spent) / flops for spent in rounds]


def _wall_times(group: list[Contender]) -> dict[str, float]:
    """Median wall seconds as shipped, on the threads that are set."""
    parts = {c.name: under("defaults", c.name, c.run) for c in group}
    return {name: median(values) for name, values in rounds(parts, 3, warm=0).items()}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def block_table(figures: dict[str, Any]) -> str:
    """The figures as text for people."""
    names = ("dtype", "switches", "block", "ms", "GF/s", "of roof", "2 threads, wall ms")
    shape = "{:5} {:9} {:24} {:>8} {:>6} {:>8} {:>19}"
    lines = [
        f"{figures['cpu']}, torch {figures['torch']}, {figures['tokens']} tokens, one thread",
        shape.format(*names),
    ]
    for row in figures["rows"]:
        wall = row.get("wall_ms_two_threads")
        lines.append(
            shape.format(
                *(row[key] for key in ("dtype", "switches", "name")),
                f"{row['ms']:.1f}",
                f"{row['gflops']:.0f}",
                f"{row['roof_fraction']:.0%}",
                "" if wall is None else f"{wall:.1f}",
            )
        )
    for dtype in DTYPES:
        part = figures[dtype]
        lines.append(f"{dtype}: {part['roof_fraction']:.0%} of the roof")
        for key in ("speedup_vs_eager", "speedup_vs_best_peer", "speedup_vs_best_peer_equal_flags"):
            low, high = part[f"{key}_interval"]
            lines.append(f"  {key.replace('_', ' '):34} {part[key]:.2f} ({low:.2f} to {high:.2f})")
    return "\n".join(lines)
