"""A checkpoint with public encoders and VAEs, reduced, in a running ComfyUI."""

import importlib.util
from pathlib import Path

import pytest
import torch
from full_size import CHECKPOINT, FRAMES, SIDE, frames_of, given_media, graph, node, pictured
from safetensors.torch import load_file, save_file

from jova_core.media import probe

HERE = Path(__file__).parent


def test_text_becomes_a_video(server, files):
    entry = server.run(graph(side=SIDE))
    assert frames_of(server, entry) == FRAMES
    assert "Apache-2.0" in entry["outputs"]["model"]["text"][0]
    assert "wan2.1: Apache-2.0" in entry["outputs"]["codecs"]["text"][0]
    assert "t5.safetensors" in entry["outputs"]["clip"]["text"][0]


def test_encoders_in_fp8_and_in_the_other_order(server, files):
    entry = server.run(graph(encoders=("qwen_fp8_scaled", "t5_fp8_scaled")))
    assert frames_of(server, entry) == FRAMES


def _skip_without_tokenizer(comfy_root, encoders):
    tokenizer = comfy_root / "comfy" / "text_encoders" / "llama_tokenizer" / "tokenizer.json"
    if "llama" in encoders and not tokenizer.is_file():
        pytest.skip("this ComfyUI lacks LLaMA's tokenizer")


@pytest.mark.parametrize(
    ("checkpoint", "encoders"),
    [
        ("hunyuan.safetensors", ("llama", "clip_l")),
        ("open_sora.safetensors", ("t5", "clip_l")),
        ("flan.safetensors", ("flan_t5",)),
    ],
)
def test_other_encoders(server, files, comfy_root, checkpoint, encoders):
    """LLaMA-3 in its template with CLIP's pooled vector, T5 with it, flan-T5 alone; as latents."""
    _skip_without_tokenizer(comfy_root, encoders)
    changed = {
        "shown": node("SaveLatent", samples=["parts", 0], filename_prefix="full"),
        "parts": node("LTXVSeparateAVLatent", av_latent=["sampled", 0]),
    }
    run = graph(checkpoint, encoders) | changed
    for name in ("codecs", "decoded", "saved"):
        del run[name]
    server.run(run)


def test_a_prompt_is_saved_and_read_without_encoders(server, files):
    saved = {
        name: node(
            "JoVASaveConditioning",
            model=["model", 0],
            conditioning=["told", place],
            filename_prefix=name,
            text=["told", 2],
        )
        for place, name in enumerate(("positive", "negative"))
    }
    run = graph() | saved
    first = server.run(run)
    names = {name: first["outputs"][name]["text"][0] for name in saved}
    loaded = {
        f"load_{name}": node(
            "JoVALoadConditioning", model=["model", 0], file=f"conditioning/{file} [output]"
        )
        for name, file in names.items()
    }
    again = graph(encoders=("t5", "qwen")) | loaded
    del again["clip"], again["told"]
    again["sampled"]["inputs"] |= {
        "positive": ["load_positive", 0],
        "negative": ["load_negative", 0],
    }
    second = server.run(again)
    assert "a (red:1.3) face" in second["outputs"]["load_positive"]["text"][0]
    ours = [
        path.read_bytes()
        for entry in (first, second)
        for kind, path in server.files(entry)
        if kind == "output" and path.suffix == ".mp4"
    ]
    assert len(ours) == 2
    path = server.folder / "output" / "conditioning" / names["positive"]
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    (path.parent / "changed.safetensors").write_bytes(content)
    again["load_positive"]["inputs"]["file"] = "conditioning/changed.safetensors [output]"
    assert "its hash differs" in server.fail(again)[1]
    again["load_positive"]["inputs"]["file"] = f"conditioning/{names['positive']} [output]"
    again["model"]["inputs"]["checkpoint"] = "flan.safetensors"
    assert "does not read" in server.fail(again)[1]


LORAS = {
    "t5": "t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q",
    "qwen": "qwen25_7b.transformer.model.layers.0.self_attn.q_proj",
}


@pytest.mark.parametrize("encoder", LORAS)
def test_a_lora_on_a_text_encoder(server, files, encoder):
    """Under ComfyUI's own names of a layer: strength 1 changes what the encoder says, 0 nothing."""
    layer = LORAS[encoder].partition(".transformer.")[2]
    shape = load_file(files / "text_encoders" / f"{encoder}.safetensors")[f"{layer}.weight"].shape
    key, generator = f"text_encoders.{LORAS[encoder]}", torch.Generator().manual_seed(0)
    pair = {
        f"{key}.lora_up.weight": torch.randn(shape[0], 4, generator=generator),
        f"{key}.lora_down.weight": torch.randn(4, shape[1], generator=generator),
    }
    loras = files / "loras"
    loras.mkdir(exist_ok=True)
    save_file(pair, loras / f"{encoder}.safetensors")
    said = {}
    for strength in (None, 0.0, 1.0):
        run = {name: graph()[name] for name in ("model", "clip", "told")}
        if strength is not None:
            run["lora"] = node(
                "LoraLoader",
                model=["model", 0],
                clip=["clip", 0],
                lora_name=f"{encoder}.safetensors",
                strength_model=0.0,
                strength_clip=strength,
            )
            run["told"]["inputs"]["clip"] = ["lora", 1]
        run["saved"] = node(
            "JoVASaveConditioning",
            model=["model", 0],
            conditioning=["told", 0],
            filename_prefix=f"lora_{encoder}_{strength}",
            text=["told", 2],
        )
        name = server.run(run)["outputs"]["saved"]["text"][0]
        said[strength] = load_file(server.folder / "output" / "conditioning" / name)
    plain, off, on = said.values()
    assert all(torch.equal(plain[n], off[n]) for n in plain)
    changed = [n for n in plain if not torch.equal(plain[n], on[n])]
    assert len(changed) == 1, changed


@pytest.fixture
def backbones(files, reduced_vae):
    """Open-Sora 2.0 and HunyuanVideo under their published names, small, and their VAE, whole."""
    place = HERE.parent / "model" / "conftest.py"
    spec = importlib.util.spec_from_file_location("backbone_weights", place)
    weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(weights)
    made = {"open_sora_2": weights._open_sora, "hunyuan_video": weights._hunyuan}
    for name, make in made.items():
        tensors = make(text=64, pooled=64, guidance=name.startswith("hunyuan"))
        path = files / "diffusion_models" / f"{name}.safetensors"
        save_file(tensors, path)
    reduced_vae(files / "vae", "hunyuan")
    yield
    (files / "vae" / "hunyuan_video_vae_bf16.safetensors").unlink()


@pytest.mark.parametrize(
    ("backbone", "encoders"),
    [("open_sora_2", ("t5", "clip_l")), ("hunyuan_video", ("llama", "clip_l"))],
)
def test_a_backbone_is_built_and_makes_a_video(server, backbones, comfy_root, backbone, encoders):
    _skip_without_tokenizer(comfy_root, encoders)
    build = node(
        "JoVABuildFromBackbone",
        backbone=f"{backbone}.safetensors",
        latents="keep",
        name=f"built_{backbone}",
    )
    entry = server.run({"built": build})
    shown = entry["outputs"]["built"]["text"][0]
    assert "Licence of the weights: " in shown
    assert "Video codec: hunyuan-video" in shown
    run = graph(f"built_{backbone}.safetensors", encoders)
    run["codecs"]["inputs"]["codecs"] = "hunyuan_video_vae_bf16.safetensors"
    assert frames_of(server, server.run(run)) == FRAMES


# What reduced_vaes.py calls them: file, the checkpoint that was trained on them, their licence.
AUDIO_CODECS = {
    "mmaudio": ("mmaudio_vae_16k.safetensors", CHECKPOINT, "not for commercial use"),
    "ace-step": ("ace_1.5_vae.safetensors", "ace.safetensors", "ace-step-1.5: MIT"),
}


@pytest.mark.parametrize("codec", AUDIO_CODECS)
def test_a_voice_is_given_and_decoded(server, files, reduced_vae, codec):
    """By audio VAEs that core builds in their true size only: 0.6 GB and 0.3 GB."""
    name, checkpoint, licence = AUDIO_CODECS[codec]
    reduced_vae(files / "vae", codec)
    run = given_media(given="audio", audio=["media", 2], audio_vae=["codecs", 1])
    run["model"]["inputs"]["checkpoint"] = checkpoint
    run["codecs"]["inputs"]["audio_codec"] = name
    run["decoded"]["inputs"]["audio_vae"] = ["codecs", 1]
    run["saved"]["inputs"]["audio"] = ["decoded", 1]
    try:
        entry = server.run(run)
    finally:
        (files / "vae" / name).unlink()
    assert licence in entry["outputs"]["codecs"]["text"][0]
    (found,) = [path for kind, path in server.files(entry) if kind == "output"]
    info = probe(found)
    assert info.video.frames == FRAMES
    assert abs(info.audio.seconds - info.video.seconds) < 1 / 16


def test_a_portrait_begins_the_clip(server, files):
    assert frames_of(server, server.run(pictured())) == FRAMES
