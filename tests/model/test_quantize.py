"""8-bit checkpoints: as near as their formats allow, and refused where they must be."""

import json

import pytest
import torch
from safetensors import safe_open

from jova_core.__main__ import main
from jova_core.errors import JoVAError
from jova_core.model.checkpoint import load_jova, save_jova
from jova_core.model.quantize import is_quantized, quantize

# Relative RMS of a Gaussian matrix: about 2^-4/sqrt(3) for E4M3's 3 bits of fraction (less, as half
# of the values lie nearer), and max/127/sqrt(12) for int8.
WORST = {"fp8_scaled": 0.035, "int8": 0.012}


@pytest.fixture
def checkpoint(tiny_config, tiny_model, tmp_path):
    config = tiny_config()
    path = tmp_path / "plain.safetensors"
    tensors = {name: value.bfloat16() for name, value in tiny_model(config).state_dict().items()}
    save_jova(path, tensors, config, {"licence": "none"})
    return path


def header(path):
    with safe_open(path, framework="pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize("name", WORST)
def test_it_comes_back_as_near_as_its_format(checkpoint, tmp_path, name):
    target = tmp_path / "small.safetensors"
    count = quantize(checkpoint, target, name)
    plain, loaded = load_jova(checkpoint), load_jova(target)
    assert (loaded.config, loaded.notes) == (plain.config, plain.notes)
    changed = [n for n, v in plain.tensors.items() if is_quantized(n, tuple(v.shape))]
    assert len(changed) == count > 20
    for layer, tensor in plain.tensors.items():
        got, wanted = loaded.tensors[layer].float(), tensor.float()
        if layer in changed:
            assert (got - wanted).square().mean().sqrt() <= WORST[name] * wanted.std(), layer
        else:
            assert torch.equal(got, wanted), layer
    assert loaded.model()(*_inputs(plain.config)).video.isfinite().all()


def _inputs(config):
    from jova_core.latents import AVLatents, Conditioning, latent_shapes

    video, audio = latent_shapes(config, 5)
    time = torch.tensor([500.0])
    text = tuple(torch.randn(1, spec.max_tokens, spec.width) for spec in config.text)
    parts = AVLatents(video=torch.randn(video), audio=torch.randn(audio))
    return parts, time, time, Conditioning(text=text)


def test_the_file_says_what_it_holds(checkpoint, tmp_path):
    small = tmp_path / "small.safetensors"
    assert main(["quantize", str(checkpoint), str(small), "--format", "int8"]) == 0
    metadata, tensors = header(small)
    assert metadata == header(checkpoint)[0]
    layer = "double_blocks.0.video.qkv"
    assert tensors[f"{layer}.weight"].dtype == torch.int8
    assert tensors[f"{layer}.weight_scale"].shape == (tensors[f"{layer}.weight"].shape[0], 1)
    note = bytes(tensors[f"{layer}.comfy_quant"].tolist())
    assert json.loads(note) == {"format": "int8_tensorwise"}
    assert tensors["branches.v.input.weight"].dtype == torch.bfloat16


def test_a_row_of_zeros_stays_zero(checkpoint, tmp_path):
    plain = load_jova(checkpoint)
    name = "single_blocks.0.v.proj.weight"
    plain.tensors[name][:] = 0
    save_jova(checkpoint, plain.tensors, plain.config, plain.notes)
    for kind in WORST:
        quantize(checkpoint, tmp_path / "zero.safetensors", kind)
        assert not load_jova(tmp_path / "zero.safetensors").tensors[name].any()


def test_what_cannot_be_quantized_gets_a_sentence(checkpoint, tmp_path):
    small = tmp_path / "small.safetensors"
    quantize(checkpoint, small, "fp8_scaled")
    with pytest.raises(JoVAError, match=r"F8_E4M3 weights .* was not quantized"):
        quantize(small, tmp_path / "twice.safetensors", "int8")
    with pytest.raises(JoVAError, match="as source and as target"):
        quantize(checkpoint, checkpoint, "int8")
    with pytest.raises(JoVAError, match="expected fp8_scaled or int8"):
        quantize(checkpoint, tmp_path / "x.safetensors", "nvfp4")
    with pytest.raises(JoVAError, match=r"none\.safetensors"):
        quantize(tmp_path / "none.safetensors", tmp_path / "x.safetensors", "int8")


def test_formats_of_others_are_named(checkpoint):
    plain = load_jova(checkpoint)
    layer = "double_blocks.0.video.qkv"
    note = torch.frombuffer(bytearray(b'{"format": "nvfp4"}'), dtype=torch.uint8)
    tensors = plain.tensors | {
        f"{layer}.comfy_quant": note,
        f"{layer}.weight_scale": torch.ones(()),
    }
    save_jova(checkpoint, tensors, plain.config, plain.notes)
    with pytest.raises(JoVAError, match=r"video.qkv in the format nvfp4.*in ComfyUI"):
        load_jova(checkpoint)
