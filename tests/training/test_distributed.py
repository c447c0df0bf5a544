"""Training in two processes over gloo: the same run as in one, and it survives a killed process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from jova_core.errors import JoVAError
from jova_core.training.distributed import Distributed

pytest.importorskip("accelerate", reason="Hugging Face Accelerate is not installed")

SCRIPT = Path(__file__).with_name("one_of_many.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tiny, tmp_path_factory):
    return tiny.make_data(tmp_path_factory.mktemp("data") / "set")


def launch(data, out, processes, **changes):
    """Run `train` in one or several processes; the exit code."""
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1"]
        start += ["--num_processes", str(processes), "--mixed_precision", "no"]
        start += ["--dynamo_backend", "no", "--main_process_port", "0"]
    command = [*start, str(SCRIPT), str(data), str(out), json.dumps(changes)]
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("WORLD_SIZE", "RANK")},
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    options = {"capture_output": True, "text": True, "env": environment, "timeout": 240}
    done = subprocess.run(command, check=False, **options)
    return done.returncode, done.stderr


def losses_of(out):
    lines = (out / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


SETTINGS = {"batch": 4, "steps": 50, "learning_rate": 1e-3, "checkpoint_every": 10}


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    code, said = launch(data, out, 1, **SETTINGS)
    assert code == 0, said
    return out


def test_two_processes_run_as_one_with_the_whole_batch(data, alone, tmp_path):
    code, said = launch(data, tmp_path, 2, **SETTINGS)
    assert code == 0, said
    one, two = losses_of(alone), losses_of(tmp_path)
    assert len(one) == len(two) == 50
    for a, b in zip(one, two, strict=True):
        assert abs(a - b) <= 1e-3 * a


def test_a_killed_process_stops_all_and_the_run_goes_on_in_any_number(data, alone, tmp_path):
    code, _ = launch(data, tmp_path, 2, **SETTINGS, die_at=25)
    assert code != 0
    assert len(losses_of(tmp_path)) < 50
    code, said = launch(data, tmp_path, 1, **SETTINGS, resume=True)
    assert code == 0, said
    one, parts = losses_of(alone), losses_of(tmp_path)
    assert len(parts) == 50
    for a, b in zip(one, parts, strict=True):
        assert abs(a - b) <= 1e-3 * a
    whole, pieced = (load_file(out / "jova.safetensors") for out in (alone, tmp_path))
    assert all((whole[k].float() - pieced[k].float()).abs().max() < 2e-2 for k in whole)


def test_split_weights_train_as_whole_ones_and_go_on_in_one_process(data, alone, tmp_path):
    """FSDP2: each of two processes keeps half of the weights and of the optimiser."""
    code, said = launch(data, tmp_path, 2, **SETTINGS | {"steps": 30, "cooldown": 0}, shard=True)
    assert code == 0, said
    kept = [int((tmp_path / f"kept-{rank}").read_text()) for rank in (0, 1)]
    weights = load_file(tmp_path / "jova.safetensors").values()
    assert sum(kept) == sum(p.numel() for p in weights)
    assert max(kept) < 0.6 * sum(kept)
    code, said = launch(data, tmp_path, 1, **SETTINGS | {"cooldown": 0}, resume=True)
    assert code == 0, said
    whole = tmp_path / "whole"
    code, said = launch(data, whole, 1, **SETTINGS | {"cooldown": 0})
    assert code == 0, said
    one, split = losses_of(whole), losses_of(tmp_path)
    assert len(one) == len(split) == 50
    for a, b in zip(one, split, strict=True):
        assert abs(a - b) <= 1e-3 * a
    first, second = (load_file(out / "state.safetensors") for out in (whole, tmp_path))
    assert {k: v.shape for k, v in first.items()} == {k: v.shape for k, v in second.items()}


def test_a_batch_that_does_not_divide_gets_a_sentence():
    processes = Distributed(rank=1, count=2, device=torch.device("cpu"))
    assert processes.share(6) == slice(3, 6)
    with pytest.raises(JoVAError, match="multiple of 2"):
        processes.share(5)
