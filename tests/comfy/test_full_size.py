"""A checkpoint with public encoders and VAEs, reduced, in a running ComfyUI; what it refuses."""

import hashlib
import importlib.util
import re
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from jova_core.config import AudioSpec
from jova_core.media import probe

HERE = Path(__file__).parent
CHECKPOINT = "jova_small.safetensors"
FRAMES, SIDE = 9, 256
ACE_STEP = AudioSpec(
    sample_rate=48_000, latent_rate=Fraction(25), channels=64, codec="ace-step-1.5"
)


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


@pytest.fixture(scope="session")
def files(server, reduced, comfy_root, comfy_python, comfy_environment):
    """Random files under the server's models folder, in the names of the public ones."""
    models = server.folder / "models"
    encoders = models / "text_encoders"
    tensors = {
        "t5": reduced.t5(),
        "qwen": reduced.qwen(),
        "t5_fp8_scaled": reduced.fp8_scaled(reduced.t5()),
        "qwen_fp8_scaled": reduced.fp8_scaled(reduced.qwen()),
        "llama": reduced.llama(),
        "clip_l": reduced.clip(),
        "flan_t5": reduced.t5(seed=1),
        "t5_wide": reduced.t5(width=96),
        "qwen_3b": reduced.qwen(width=96),
    }
    for name, found in tensors.items():
        reduced.write(encoders / f"{name}.safetensors", found)
    lacking = reduced.t5()
    del lacking["encoder.block.1.layer.0.SelfAttention.o.weight"]
    reduced.write(encoders / "lacking.safetensors", lacking)
    whole = (encoders / "t5.safetensors").read_bytes()
    (encoders / "truncated.safetensors").write_bytes(whole[: len(whole) // 2])
    fingerprint = f"encoder.final_layer_norm.weight:{_digest(tensors['flan_t5'])}"
    flan = replace(reduced.T5, name="flan-t5-xxl", fingerprint=fingerprint)
    llama = replace(reduced.HUNYUAN_TEXT, width=reduced.WIDTH)
    configs = {
        CHECKPOINT: reduced.config(),
        "flan.safetensors": reduced.config(text=(flan,)),
        "ace.safetensors": reduced.config(audio=ACE_STEP),
        "blind.safetensors": reduced.config(image_channels=0, mask_channels=0),
        "hunyuan.safetensors": reduced.hunyuan_config(llama),
        "open_sora.safetensors": reduced.hunyuan_config(reduced.T5),
        "unknown.safetensors": reduced.config(text=(replace(reduced.T5, name="umt5-xxl"),)),
        "deep.safetensors": reduced.config(text=(replace(reduced.QWEN, hidden_layer=-9),)),
    }
    for name, config in configs.items():
        notes = {"licence": "Apache-2.0", "source": {"layout": "random"}}
        reduced.checkpoint(models / "diffusion_models" / name, config, notes)
    vaes = models / "vae"
    vaes.mkdir(exist_ok=True)
    command = [comfy_python, HERE / "reduced_vaes.py", comfy_root, vaes, "wan"]
    subprocess.run([str(part) for part in command], check=True, env=comfy_environment)
    wan = (vaes / "wan_2.1_vae.safetensors").read_bytes()
    (vaes / "truncated_vae.safetensors").write_bytes(wan[:9000])
    (encoders / "vae.safetensors").write_bytes(wan)
    return models


def _digest(tensors):
    values = tensors["encoder.final_layer_norm.weight"].float().numpy()
    return hashlib.sha256(values.tobytes()).hexdigest()


def graph(checkpoint=CHECKPOINT, encoders=("t5", "qwen"), side=64, steps=2, **changes):
    """Loaders, prompt, sampler and pictures of a clip."""
    first, second = (*encoders, "none")[:2]
    made = {
        "model": node(
            "JoVALoadModel",
            checkpoint=checkpoint,
            weight_dtype="default",
            preset="from the file",
        ),
        "clip": node(
            "JoVALoadTextEncoder",
            encoder_1=f"{first}.safetensors",
            encoder_2=second if second == "none" else f"{second}.safetensors",
            model=["model", 0],
        ),
        "codecs": node("JoVALoadCodecs", codecs="wan_2.1_vae.safetensors"),
        "told": node(
            "JoVAPrompt",
            clip=["clip", 0],
            video_caption="a (red:1.3) face",
            audio_caption="a clear voice",
            transcript="hello",
        ),
        "empty": node(
            "JoVAEmptyLatent",
            model=["model", 0],
            frames=FRAMES,
            width=side,
            height=side,
            batch_size=1,
        ),
        "sampled": node(
            "JoVASampler",
            model=["model", 0],
            positive=["told", 0],
            negative=["told", 1],
            latent=["empty", 0],
            seed=0,
            steps=steps,
            cfg_video=2.0,
            cfg_audio=2.0,
            sampler_name="euler",
            scheduler="simple",
            denoise=1.0,
            shift=0.0,
        ),
        "decoded": node(
            "JoVADecode", model=["model", 0], latent=["sampled", 0], video_vae=["codecs", 0]
        ),
        "saved": node(
            "JoVASaveVideo",
            images=["decoded", 0],
            fps=16.0,
            filename_prefix="full",
            recipe="mp4",
            scale=1,
        ),
    }
    return made | changes


def frames_of(server, entry):
    (found,) = [path for kind, path in server.files(entry) if kind == "output"]
    return probe(found).video.frames


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


def _given(**inputs):
    task = node("JoVATask", model=["model", 0], latent=["empty", 0], **inputs)
    run = graph() | {"media": node("JoVASampleMedia", character="brown-hair"), "task": task}
    run["sampled"]["inputs"]["latent"] = ["task", 0]
    return run


@pytest.fixture
def backbones(files, comfy_root, comfy_python, comfy_environment):
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
    command = [comfy_python, HERE / "reduced_vaes.py", comfy_root, files / "vae", "hunyuan"]
    subprocess.run([str(part) for part in command], check=True, env=comfy_environment)
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
def test_a_voice_is_given_and_decoded(
    server, files, comfy_root, comfy_python, comfy_environment, codec
):
    """By audio VAEs that core builds in their true size only: 0.6 GB and 0.3 GB."""
    name, checkpoint, licence = AUDIO_CODECS[codec]
    command = [comfy_python, HERE / "reduced_vaes.py", comfy_root, files / "vae", codec]
    subprocess.run([str(part) for part in command], check=True, env=comfy_environment)
    run = _given(given="audio", audio=["media", 2], audio_vae=["codecs", 1])
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


def _pictured(checkpoint=CHECKPOINT, vae=("codecs", 0), **changes):
    run = graph(checkpoint, **changes)
    run["media"] = node("JoVASampleMedia", character="brown-hair")
    run["mini"] = node("JoVALoadCodecs", codecs="jova-mini (bundled)")
    run["reference"] = node(
        "JoVAReferenceImage",
        positive=["told", 0],
        negative=["told", 1],
        latent=["empty", 0],
        video_vae=list(vae),
        image=["media", 0],
    )
    run["sampled"]["inputs"] |= {
        "positive": ["reference", 0],
        "negative": ["reference", 1],
        "latent": ["reference", 2],
    }
    return run


def test_a_portrait_begins_the_clip(server, files):
    assert frames_of(server, server.run(_pictured())) == FRAMES


def _changed(run, name, **inputs):
    run[name]["inputs"] |= inputs
    return run


def _without_model(run):
    del run["clip"]["inputs"]["model"]
    return run


def _mini(run, **inputs):
    return run | {"mini": node("JoVALoadCodecs", codecs="jova-mini (bundled)"), **inputs}


def _decoded(**inputs):
    return _mini(_changed(graph(), "decoded", **inputs))


WRONG = {
    "T5 for flan-T5": (lambda: graph("flan.safetensors", ("t5",)), "has beside flan-T5"),
    "a T5 of another width": (lambda: graph(encoders=("t5_wide", "qwen")), "of width 96.*t5-xxl"),
    "Qwen 3B for 7B": (lambda: graph(encoders=("t5", "qwen_3b")), "of width 96.*qwen2.5"),
    "one encoder of two": (lambda: graph(encoders=("t5",)), "nothing gives qwen2.5"),
    "the other one of two": (lambda: graph(encoders=("qwen",)), "nothing gives t5-xxl"),
    "one encoder twice": (lambda: graph(encoders=("t5", "t5")), "each once"),
    "an encoder that is not read": (lambda: graph(encoders=("t5", "llama")), "holds .*LLaMA-3"),
    "CLIP for Qwen": (lambda: graph(encoders=("t5", "clip_l")), "holds .*CLIP"),
    "T5 for LLaMA": (lambda: graph("hunyuan.safetensors", ("t5", "clip_l")), "holds .*T5"),
    "no pooled vector": (
        lambda: graph("hunyuan.safetensors", ("llama",)),
        "nothing gives clip-l",
    ),
    "an encoder that lacks tensors": (
        lambda: graph(encoders=("lacking", "qwen")),
        "lacking.safetensors .models/text_encoders. lacks 1 of its tensors",
    ),
    "a truncated encoder": (lambda: graph(encoders=("truncated", "qwen")), "may be truncated"),
    "a VAE as encoder": (
        lambda: _changed(graph(), "clip", encoder_1="vae.safetensors"),
        "no text encoder that is known",
    ),
    "an encoder without its model": (
        lambda: _without_model(graph()),
        "connect `model`",
    ),
    "the mini's encoder": (
        lambda: _changed(graph(), "clip", encoder_1="jova-mini (bundled)", encoder_2="none"),
        "mini",
    ),
    "an encoder of the mini's checkpoint": (
        lambda: graph("jova-mini (bundled)", ("t5",)),
        "which no file gives",
    ),
    "an encoder of no known name": (lambda: graph("unknown.safetensors"), "'umt5-xxl'"),
    "a layer that is not there": (
        lambda: graph("deep.safetensors", ("qwen",)),
        "has 4 layers",
    ),
    "the mini's video codec": (lambda: _decoded(video_vae=["mini", 0]), "trained with wan2.1"),
    "the mini's audio codec": (
        lambda: _decoded(audio_vae=["mini", 1]),
        "trained with mmaudio-16k",
    ),
    "a picture for a model without": (
        lambda: _pictured("blind.safetensors"),
        "trained without image channels",
    ),
    "a picture of another codec": (
        lambda: _pictured(vae=("mini", 0)),
        "encoded by jova-mini-video",
    ),
    "a truncated VAE": (
        lambda: _changed(graph(), "codecs", codecs="truncated_vae.safetensors"),
        "may be truncated",
    ),
    "a video VAE for sound": (
        lambda: _changed(graph(), "codecs", audio_codec="wan_2.1_vae.safetensors"),
        "makes no audio latents",
    ),
    "a voice through the mini's codec": (
        lambda: _mini(_given(given="audio", audio=["media", 2], audio_vae=["mini", 1])),
        "trained with mmaudio-16k",
    ),
    "a film through the mini's codec": (
        lambda: _mini(_given(given="video", film=["media", 1], video_vae=["mini", 0])),
        "trained with wan2.1",
    ),
    "a backbone that is none": (
        lambda: {
            "built": node("JoVABuildFromBackbone", backbone=CHECKPOINT, latents="keep", name="new")
        },
        "unknown layout",
    ),
    "a backbone's name with a folder": (
        lambda: {
            "built": node(
                "JoVABuildFromBackbone", backbone=CHECKPOINT, latents="keep", name="../new"
            )
        },
        "plain file name",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_combination_gets_one_sentence(server, files, case):
    run, sentence = WRONG[case]
    kind, told = server.fail(run())
    assert kind == "JoVAError", told
    assert re.search(sentence, told), told
    assert "\n" not in told
    assert told.endswith(".")
