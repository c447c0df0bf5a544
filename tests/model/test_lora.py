"""LoRA: what is added, where, and what a file of it does to the network."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from jova_core.errors import JoVAError
from jova_core.model.jova import JoVA
from jova_core.model.lora import (
    BranchLoRA,
    LoRAConfig,
    LoRALinear,
    add_lora,
    load_lora,
    merge_lora,
    save_lora,
)
from jova_core.presets import PRESETS
from jova_core.training.initialise import initialise

_SMALL = PRESETS["mini_ablation"]
CONFIG = replace(_SMALL, dim=48, heads=2, rope_axes=(8, 8, 8), dual_blocks=1, single_blocks=1)


@pytest.fixture
def model():
    made = JoVA(CONFIG)
    initialise(made, 0)
    return made


def test_it_starts_without_effect_and_alone_has_gradients(model):
    x = torch.randn(2, 48)
    layer = model.double_blocks[0]["audio"].qkv
    before = layer(x)
    add_lora(model, LoRAConfig(rank=4))
    wrapped = model.double_blocks[0]["audio"].qkv
    assert isinstance(wrapped, LoRALinear)
    assert torch.equal(wrapped(x), before)
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert all(name.endswith((".down", ".up")) for name in trained)
    # 4 streams of a dual block and 2 of a single one, 4 layers of each, 2 matrices
    assert len(trained) == (4 + 2) * 4 * 2


def test_parallel_blocks_have_layers_of_their_own():
    made = JoVA(replace(CONFIG, single_form="parallel"))
    add_lora(made, LoRAConfig(rank=4))
    single = {
        name.split(".", 3)[3]
        for name, module in made.single_blocks.named_modules(prefix="single_blocks")
        if isinstance(module, LoRALinear)
    }
    assert single == {"linear1", "linear2"}


def test_each_branch_has_its_own_layers_and_strength(model):
    config = LoRAConfig(
        rank=4,
        alpha=8,
        audio=BranchLoRA(layers=("qkv",), strength=0.5),
        video=BranchLoRA(strength=0),
    )
    add_lora(model, config)
    wrapped = {n: m for n, m in model.named_modules() if isinstance(m, LoRALinear)}
    assert sorted(wrapped) == [
        "double_blocks.0.audio.qkv",
        "double_blocks.0.text_a.qkv",
        "single_blocks.0.a.qkv",
    ]
    assert {m.scale for m in wrapped.values()} == {8 * 0.5 / 4}


def test_a_file_merged_equals_the_trained_network(model, tmp_path):
    config = LoRAConfig(rank=3, alpha=6, audio=BranchLoRA(strength=0.5))
    plain = JoVA(CONFIG)
    plain.load_state_dict(model.state_dict())
    add_lora(model, config, seed=1)
    generator = torch.Generator().manual_seed(2)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    for p in trained.values():
        p.data = torch.randn(p.shape, generator=generator)
    save_lora(tmp_path / "x.safetensors", {n: p.data for n, p in trained.items()}, config, {})
    merge_lora(plain, load_lora(tmp_path / "x.safetensors"))
    x = torch.randn(5, 48, generator=generator)
    for stream, layer in (("audio", "qkv"), ("video", "qkv")):
        torch.testing.assert_close(
            plain.double_blocks[0][stream].get_submodule(layer)(x),
            model.double_blocks[0][stream].get_submodule(layer)(x),
        )
    # ComfyUI's names, with the strength of the branch in alpha
    file = load_file(tmp_path / "x.safetensors")
    name = "diffusion_model.double_blocks.0.audio.mlp.2"
    assert file[f"{name}.lora_down.weight"].shape == (3, 4 * 48)
    assert file[f"{name}.lora_up.weight"].shape == (48, 3)
    assert file[f"{name}.alpha"] == 3


def test_strength_0_leaves_every_bit_and_strengths_add_up(model):
    before = {n: p.clone() for n, p in model.named_parameters()}
    added = {"double_blocks.0.video.qkv": torch.full((144, 48), 0.25)}
    merge_lora(model, added, 0)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    merge_lora(model, added, 2)
    changed = model.double_blocks[0]["video"].qkv.weight
    torch.testing.assert_close(
        changed.detach(), before["double_blocks.0.video.qkv.weight"].detach() + 0.5
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LoRAConfig(rank=0), "rank is 0"),
        (lambda: LoRAConfig(alpha=0), "alpha is 0"),
        (lambda: BranchLoRA(layers=("qkv", "attn")), "unknown LoRA layers attn"),
        (lambda: BranchLoRA(strength=-1), "strength"),
    ],
)
def test_wrong_settings_get_a_sentence(make, words):
    with pytest.raises(JoVAError, match=words):
        make()


def test_a_lora_that_adds_nothing_gets_a_sentence(model):
    none = BranchLoRA(strength=0)
    with pytest.raises(JoVAError, match="has no layers"):
        add_lora(model, LoRAConfig(audio=none, video=none))


def test_foreign_files_get_a_sentence(model, tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(JoVAError, match="not a LoRA for JoVA"):
        load_lora(tmp_path / "x.safetensors")
    key = "diffusion_model.double_blocks.0.video.qkv.lora"
    save_file(
        {f"{key}_up.weight": torch.zeros(9, 2), f"{key}_down.weight": torch.zeros(2, 9)},
        tmp_path / "y.safetensors",
    )
    with pytest.raises(JoVAError, match="another network"):
        merge_lora(model, load_lora(tmp_path / "y.safetensors"))
    save_file({f"{key}_up.weight": torch.zeros(9, 2)}, tmp_path / "z.safetensors")
    with pytest.raises(JoVAError, match="damaged"):
        load_lora(tmp_path / "z.safetensors")
