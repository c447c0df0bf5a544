"""The rivals of the ablation are what they say: towers apart, and towers that see each other."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from jova_core.model.jova import JoVA

ROOT = Path(__file__).parents[2]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def towers():
    return load("towers")


def moved(model, x, *rest):
    """How much the sound's prediction changes with the pictures."""
    other = type(x)(video=x.video + 1, audio=x.audio)
    with torch.inference_mode():
        return float((model(x, *rest).audio - model(other, *rest).audio).abs().max())


@pytest.mark.parametrize(("name", "sees"), [("separate", False), ("fusion", True), (None, True)])
def test_who_sees_whom(towers, tiny_config, inputs, name, sees):
    config = tiny_config()
    model = JoVA(config) if name is None else getattr(towers, name)(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    x, *rest = inputs(config, dtype=torch.float32)
    assert (moved(model.eval(), x, *rest) > 1e-6) == sees
    with torch.inference_mode():
        assert model(type(x)(audio=x.audio), *rest).audio.isfinite().all(), "the voice alone"


def test_separate_towers_have_the_joint_networks_weights(towers, tiny_config):
    config = tiny_config()
    assert set(towers.separate(config).state_dict()) == set(JoVA(config).state_dict())


def test_the_page_shows_what_the_json_holds():
    figures = json.loads((ROOT / "experiments" / "ablation.json").read_text(encoding="utf-8"))
    page = (ROOT / "experiments" / "ablation.md").read_text(encoding="utf-8")
    assert len(figures["runs"]) == 5
    for run in figures["runs"]:
        assert {"name", "sync", "words", "offset_frames", "mouth_psnr", "low", "high"} <= set(run)
        row = next(line for line in page.splitlines() if line.startswith(f"| {run['name']} |"))
        for value in (f"{run['words']:.3f}", f"{run['sync']:.3f}", f"{run['mouth_psnr']:.2f}"):
            assert value in row
