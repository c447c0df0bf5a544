"""The figures of experiments/scale.md are those of the networks, and its formulas hold."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jova_core.kernels import reference
from jova_core.latents import AVLatents, Conditioning, latent_shapes
from jova_core.model.jova import JoVA
from jova_core.presets import PRESETS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scale():
    spec = importlib.util.spec_from_file_location("scale", ROOT / "experiments" / "scale.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_holds_the_table(scale):
    assert scale.table() in (ROOT / "experiments" / "scale.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("preset", ["jova_3b2", "jova_24b"])
def test_the_stated_formula_is_what_torch_counts(scale, preset):
    config = PRESETS[preset]
    assert scale.stated_flops(config) == pytest.approx(scale.counted_flops(config), rel=0.02)


@pytest.mark.parametrize("blocks", [(1, 0), (0, 1)])
def test_a_block_keeps_as_much_as_stated(scale, blocks):
    base = PRESETS["jova_3b2"]
    config = replace(
        base,
        dim=256,
        heads=4,
        rope_axes=(16, 24, 24),
        dual_blocks=blocks[0],
        single_blocks=blocks[1],
        learned_pos="none",
        video=replace(base.video, width=256, height=160),
        text=(replace(base.text[0], width=64, max_tokens=32),),
    )
    model = JoVA(config, dtype=torch.bfloat16)
    own = {p.data_ptr() for p in model.parameters()}
    kept, inside, alive = {}, [False], []

    def flash(q, k, v):
        """As on a GPU; few tokens on a CPU keep their weights instead."""
        return reference.attention(q, k, v)

    def pack(value):
        if inside[0] and value.data_ptr() not in own:
            storage = value.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    def run(block, _place, x, joint, attend):
        inside[0] = True
        alive.append(block(x, joint, attend))
        inside[0] = False
        return alive[-1]

    video, audio = latent_shapes(config, 17)
    x = AVLatents(video=torch.randn(video).bfloat16(), audio=torch.randn(audio).bfloat16())
    text, time = torch.randn(1, 32, 64).bfloat16(), torch.tensor([500.0])
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        alive.append(model(x, time, time, Conditioning(text=(text,)), flash, run=run))
    tokens = sum(scale.tokens_of(config, 17).values())
    assert sum(kept.values()) / 2 / tokens / config.dim == pytest.approx(scale.SAVED, rel=0.1)
