"""State-dict names are public: LoRA keys derive from them."""

import re
from pathlib import Path

import pytest
import torch

from jova_core.model.jova import JoVA
from jova_core.presets import PRESETS

SNAPSHOT = Path(__file__).with_name("state_dict_mini.txt")
LAYERS = r"(qkv|proj|mlp\.[02]|mod)\.(weight|bias)|[qk]_norm\.weight"


def _shapes(config):
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in JoVA(config).state_dict().items()}


def test_names_and_shapes_of_the_mini_are_pinned():
    """A changed name or block shape breaks checkpoints and LoRAs: it needs a new format.

    Only the width of `text_in.*` may change: it is the text encoder's, which the config names.
    """
    lines = [f"{name} {'x'.join(map(str, s))}" for name, s in _shapes(PRESETS["mini"]).items()]
    assert sorted(lines) == SNAPSHOT.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", PRESETS)
def test_blocks_follow_the_naming_rule(name):
    config = PRESETS[name]
    dual = re.compile(rf"double_blocks\.\d+\.(audio|text_a|text_v|video)\.({LAYERS})")
    single = re.compile(rf"single_blocks\.\d+\.(a|v)\.({LAYERS})")
    keys = _shapes(config)
    for key in keys:
        assert (
            dual.fullmatch(key)
            or single.fullmatch(key)
            or key.startswith(("branches.", "position.", "final_conv."))
        ), key
    per_stream = 12  # five layers with weight and bias, two norms
    blocks = [key for key in keys if "_blocks." in key]
    streams = 4 * config.dual_blocks + 2 * config.single_blocks
    assert len([k for k in blocks if not k.startswith("branches.")]) == per_stream * streams


def test_qkv_is_packed_and_its_bias_optional(tiny_config):
    shapes = _shapes(tiny_config(qkv_bias=False))
    assert shapes["double_blocks.0.text_v.qkv.weight"] == (96, 32)
    assert "double_blocks.0.text_v.qkv.bias" not in shapes
    assert "double_blocks.0.text_v.proj.bias" in shapes


def test_both_branches_have_the_same_blocks():
    """The paper starts the audio branch as a copy of the video branch."""
    shapes = _shapes(PRESETS["jova_24b"])
    pairs = [("double_blocks.0.video.", "double_blocks.0.audio."), ("branches.v.", "branches.a.")]
    for video, audio in pairs:
        ours = {k.removeprefix(video): s for k, s in shapes.items() if k.startswith(video)}
        theirs = {k.removeprefix(audio): s for k, s in shapes.items() if k.startswith(audio)}
        differing = {k for k in ours | theirs if ours.get(k) != theirs.get(k)}
        assert differing <= {"input.weight", "final.linear.weight", "final.linear.bias"}
