"""What a clip needs, against counted weights and a measured peak."""

from dataclasses import replace

import pytest
import torch

from jova_core.config import TextEncoderSpec
from jova_core.errors import JoVAError
from jova_core.latents import AVLatents, Conditioning, latent_shapes
from jova_core.model.jova import JoVA
from jova_core.planning import plan, weight_bytes
from jova_core.presets import PRESETS

from .comfy.memory import peak_bytes

FRAMES, SIDE = 9, 128
WIDE = {
    "dim": 256,
    "heads": 2,
    "dual_blocks": 1,
    "single_blocks": 1,
    "learned_pos": "none",
    "text": (TextEncoderSpec(name="one", width=64, max_tokens=512),),
}


def test_weights_are_those_of_the_published_sizes():
    assert weight_bytes(PRESETS["jova_3b2"], "bf16") == pytest.approx(6.54e9, rel=0.01)
    assert weight_bytes(PRESETS["jova_24b"], "bf16") == pytest.approx(49.15e9, rel=0.01)
    assert weight_bytes(PRESETS["jova_24b"], "fp8") == pytest.approx(49.15e9 / 2, rel=0.02)


def test_activations_are_what_a_pass_holds():
    config = replace(PRESETS["jova_3b2"], **WIDE)
    shapes = latent_shapes(config, FRAMES, batch=2, height=SIDE, width=SIDE)
    parts = AVLatents(video=torch.randn(shapes[0]), audio=torch.randn(shapes[1]))
    model, time = JoVA(config), torch.full((2,), 500.0)
    told = Conditioning(text=(torch.randn(2, 512, 64),))
    peak = peak_bytes(lambda: model(parts, time, time, told))
    needs = plan(config, FRAMES, dtype="fp32", height=SIDE, width=SIDE)
    assert (needs.video_tokens, needs.text_tokens) == (3 * 8 * 8, 1024)
    assert 0.8 <= needs.activations / peak <= 1.25


def test_without_guidance_half_is_held():
    both, one = (plan(PRESETS["jova_3b2"], 81, guided=guided) for guided in (True, False))
    assert both.activations == 2 * one.activations
    assert both.peak == max(both.weights + both.activations, both.decode)


def test_an_unknown_dtype_gets_a_sentence():
    with pytest.raises(JoVAError, match="Got the dtype 'int3'; give one of fp32, bf16"):
        plan(PRESETS["mini"], 17, dtype="int3")
