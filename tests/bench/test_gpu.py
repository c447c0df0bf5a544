"""The GPU scripts whole, in tiny sizes on a CPU; what they do about failures and time."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from jova_core.__main__ import main
from jova_core.bench.gpu import correct
from jova_core.bench.gpu.script import Item, Plan, failures, run_items, script_table
from jova_core.errors import JoVAError

ROOT = Path(__file__).parents[2]
NEEDED = ("triton", "diffusers")
missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]


def script(name, out, **variables):
    """The command in a process of its own, as Triton decides on import whether it interprets."""
    command = [sys.executable, "-m", "jova_core", "bench", name, "--tiny", "--repeat", "1"]
    done = subprocess.run(
        [*command, "--limit", "600", "--out", str(out)],
        env=os.environ | {"PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return json.loads((out / f"{name.replace('-', '_')}.json").read_text(encoding="utf-8"))


@pytest.mark.skipif(bool(missing), reason=f"{missing} not installed")
def test_the_kernels_script(tmp_path):
    figures = script("gpu-a", tmp_path, TRITON_INTERPRET="1")
    assert figures["skipped"] == []
    items = {item["name"]: item["rows"] for item in figures["items"]}
    checked = {(row["op"], row["backend"]) for row in items["correctness"]}
    assert len({op for op, _ in checked}) == 7
    assert {op for op, backend in checked if backend == "triton"} == {op for op, _ in checked}
    assert all(row["ok"] for row in items["correctness"] + items["gradients"])
    assert {row["way"] for row in items["attention"]} == {"FlashAttention-2", "torch's choice"}
    assert {row["way"] for row in items["row kernels"]} == {"eager", "triton"}
    names = {row["name"] for row in items["blocks 64 peers"]}
    assert {"jova dual", "Flux single", "LTX-2 audio-video", "speedup vs best peer"} <= names
    assert {row["name"] for row in items["blocks 64 ours"]} >= {"jova dual, triton"}
    compiled = {row["name"] for row in items["blocks 64 compiled"]}
    assert {"jova dual, compiled plain torch", "jova single, compiled as shipped"} <= compiled
    assert "FAILED" not in (tmp_path / "gpu_a.txt").read_text(encoding="utf-8")


def test_the_script_of_whole_networks(tmp_path):
    figures = script("gpu-b", tmp_path)
    assert figures["skipped"] == []
    items = {item["name"]: item["rows"] for item in figures["items"]}
    assert all(row["ok"] for row in items["the mini against fp64"])
    for name, rows in items.items():
        if name != "the mini against fp64":
            assert all(row["seconds"] > 0 for row in rows), name
    assert [row["passes"] for row in items["24b 480p fp8"]] == [1, 2]


def test_a_failure_costs_its_own_rows_and_time_is_kept(tmp_path):
    def broken():
        raise RuntimeError("no such kernel\nand more")

    clock = [Item(name="broken", run=broken), Item(name="good", run=lambda: [{"ms": 1.0}])]
    figures = run_items("a", clock, Plan(tiny=True, out=tmp_path))
    assert [item["name"] for item in figures["items"]] == ["broken", "good"]
    assert "broken()" in figures["items"][0]["traceback"] or "RuntimeError" in str(figures)
    assert failures(figures) == ["broken (RuntimeError: no such kernel)"]
    assert "FAILED broken" in script_table(figures)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == figures
    late = run_items("a", clock, Plan(tiny=True, seconds=1e-9))
    assert late["skipped"] == ["broken", "good"]
    assert "not reached in time: broken, good" in script_table(late)
    with pytest.raises(JoVAError, match="expected a part of one of these names: broken, good"):
        run_items("a", clock, Plan(tiny=True, only="bad"))


def test_inexact_rows_are_failures():
    rows = [{"op": "gelu", "backend": "triton", "dtype": "float32", "ok": False}]
    figures = {"items": [{"name": "correctness", "rows": rows}]}
    assert failures(figures) == ["correctness: gelu triton float32 is not exact enough"]


def test_what_is_not_written_is_seen():
    """Allocated memory is NaN inside, torch's own setting returns, NaN is an infinite error."""
    with correct._poisoned():
        assert torch.empty(3).isnan().all()
        assert torch.ones(2).new_empty(4).isnan().all()
    assert not torch.are_deterministic_algorithms_enabled()
    assert correct.relative(torch.full((2,), float("nan")), torch.ones(2)) == float("inf")
    case = correct.Case(op="gelu", tensors=(torch.randn(1, 3, 32),))

    def writes_beside(x):
        base = x._base if x._base is not None else x
        base.zero_()
        return torch.nn.functional.gelu(x)

    assert correct._from_views(writes_beside, case)[0].isnan().all()


def test_the_options_belong_to_the_scripts():
    assert main(["bench", "load", "--tiny"]) == 2
    assert main(["bench", "gpu-a", "--tiny", "--limit", "-1"]) == 2
    if not torch.cuda.is_available():
        assert main(["bench", "gpu-b"]) == 2
