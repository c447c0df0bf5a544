"""Wrong combinations of public files: one sentence each, before sampling."""

import pytest
from full_size import CHECKPOINT, given_media, graph, node, pictured


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
        lambda: pictured("blind.safetensors"),
        "trained without image channels",
    ),
    "a picture of another codec": (
        lambda: pictured(vae=("mini", 0)),
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
        lambda: _mini(given_media(given="audio", audio=["media", 2], audio_vae=["mini", 1])),
        "trained with mmaudio-16k",
    ),
    "a film through the mini's codec": (
        lambda: _mini(given_media(given="video", film=["media", 1], video_vae=["mini", 0])),
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
    server.refuses(run(), sentence)
