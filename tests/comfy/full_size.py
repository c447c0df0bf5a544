"""A checkpoint with public encoders and VAEs, reduced: its files, and the graph that uses them."""

import hashlib
from dataclasses import replace
from fractions import Fraction

from jova_core.config import AudioSpec
from jova_core.media import probe

CHECKPOINT = "jova_small.safetensors"
FRAMES, SIDE = 9, 256
ACE_STEP = AudioSpec(
    sample_rate=48_000, latent_rate=Fraction(25), channels=64, codec="ace-step-1.5"
)


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def write_files(models, reduced, write_wan):
    """Random files in a models folder, in the names of the public ones."""
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
    write_wan(vaes)
    wan = (vaes / "wan_2.1_vae.safetensors").read_bytes()
    (vaes / "truncated_vae.safetensors").write_bytes(wan[:9000])
    (encoders / "vae.safetensors").write_bytes(wan)


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


def pictured(checkpoint=CHECKPOINT, vae=("codecs", 0), **changes):
    """A graph whose clip begins with a portrait."""
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


def given_media(**inputs):
    """A graph with JoVA Task and the bundled sample media."""
    task = node("JoVATask", model=["model", 0], latent=["empty", 0], **inputs)
    run = graph() | {"media": node("JoVASampleMedia", character="brown-hair"), "task": task}
    run["sampled"]["inputs"]["latent"] = ["task", 0]
    return run


def frames_of(server, entry):
    (found,) = [path for kind, path in server.files(entry) if kind == "output"]
    return probe(found).video.frames
