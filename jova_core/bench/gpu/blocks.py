"""Blocks of ours by every way to compute them, beside those of other systems, in the same rounds.

Two sets of switches, as on a CPU: "defaults", torch's choice of attention for everybody, and
"equal", cuDNN's for everybody.
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from ...kernels import use_backend
from ..block import SWITCHES, block_rows, check, measure, summary, under
from ..peers import BlockSize, Contender, contenders, our_contenders
from .script import Item, Plan, Row, failure

# A clip of 832 × 480 of 21 frames, in the 24 B preset's width and in the 3.2 B preset's.
WIDE = BlockSize(dim=3072, heads=24, video=7800, audio=157, text=512)
NARROW = replace(WIDE, dim=1536, heads=12)
CHECKED = {"video": 1000, "audio": 157, "text": 77}  # tokens of the block that fp64 computes too
TINY = BlockSize(dim=64, heads=2, video=5, audio=2, text=1)


def block_items(plan: Plan, *, wide: bool) -> list[Item]:
    """The items of one width: ours by every way, ours and the peers, compiled ones."""
    size = TINY if plan.tiny else WIDE if wide else NARROW
    return [
        Item(name=f"blocks {size.dim} ours", run=partial(_ours, size, plan)),
        Item(name=f"blocks {size.dim} peers", run=partial(_peers, size, plan)),
        Item(name=f"blocks {size.dim} compiled", run=partial(_compiled, size, plan)),
    ]


def _ours(size: BlockSize, plan: Plan) -> list[Row]:
    """Plain formulas, stock calls, as shipped, all of it Triton."""
    group = our_contenders(size, torch.bfloat16, plan.device)
    shipped = [c for c in group if c.system == "jova"]
    for backend in ("eager", "triton"):
        group += [_by(backend, contender) for contender in shipped]
    return _measured(group, size, plan)


def _peers(size: BlockSize, plan: Plan) -> list[Row]:
    """Ours as shipped, the plain formulas, and the blocks of other systems."""
    return _measured(contenders(size, torch.bfloat16, plan.device), size, plan)


def _compiled(size: BlockSize, plan: Plan) -> list[Row]:
    """The plain formulas and what is shipped, both compiled, beside what is shipped."""
    ours = [c for c in our_contenders(size, torch.bfloat16, plan.device) if c.system == "jova"]
    group = list(ours)
    for contender in ours:
        for backend in ("reference", "auto"):
            group.append(_compiled_by(backend, contender, plan))
    return _measured(group, size, plan)


def _by(backend: str, contender: Contender) -> Contender:
    def run() -> Tensor:
        with use_backend(backend):
            return contender.run()

    return replace(contender, system=backend, name=f"{contender.name}, {backend}", run=run)


def _compiled_by(backend: str, contender: Contender, plan: Plan) -> Contender:
    # Graphs are kept by the code that was compiled, whatever backend is forced around it: so each
    # way is code of its own.
    def plain() -> Tensor:
        return contender.run()

    def shipped() -> Tensor:
        return contender.run()

    way, name = (plain, "plain torch") if backend == "reference" else (shipped, "as shipped")
    graph = torch.compile(way, backend=plan.compiler, dynamic=False)
    made = _by(backend, replace(contender, run=graph))
    return replace(made, system="compiled", name=f"{contender.name}, compiled {name}")


def _measured(group: list[Contender], size: BlockSize, plan: Plan) -> list[Row]:
    """Rows of all that run, after our block was exact enough, and the ratios to the best peer."""
    small = size if plan.tiny else replace(size, **CHECKED)
    # In fp32 where it is tiny: Triton's interpreter cuts bf16 off where a GPU rounds it.
    errors = check(small, torch.float32 if plan.tiny else torch.bfloat16, plan.device)
    able, failed = [], []
    for contender in group:
        try:
            for switch in SWITCHES:
                under(switch, contender.name, contender.run, plan.device)()
            able.append(contender)
        except Exception as error:  # another version of diffusers, for one
            failed.append({"name": contender.name, **failure(error)})
    times = measure(able, size, torch.bfloat16, plan.repeat, plan.device)
    rows = [_shown(row) for row in block_rows("bf16", able, times, {})]
    rows.append(
        {
            "name": "roof",
            "products_tflops": times.products / 1e12,
            "attention_tflops": times.attention / 1e12,
            "error": errors["ours"],
            "error_of_plain": errors["plain"],
        }
    )
    systems = {c.system for c in able}
    if {"jova", "plain"} < systems and "HunyuanVideo" in systems:
        ratios = {k: v for k, v in summary(able, times).items() if not k.endswith("_interval")}
        rows += [{"name": key.replace("_", " "), "value": value} for key, value in ratios.items()]
    return rows + failed


def _shown(row: Row) -> Row:
    return {
        "name": row["name"],
        "switches": row["switches"],
        "ms": row["ms"],
        "tflops": row["gflops"] / 1e3,
        "of_roof": row["roof_fraction"],
    }
