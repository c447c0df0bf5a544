"""Small random files in the exact names of public ones: encoders, VAEs, checkpoints, backbones."""

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from jova_core.config import TextEncoderSpec
from jova_core.model.backbone.layouts import HUNYUAN
from jova_core.model.checkpoint import save_jova
from jova_core.model.jova import JoVA
from jova_core.presets import PRESETS
from jova_core.training.initialise import initialise

WIDTH = 64
T5 = TextEncoderSpec(name="t5-xxl", width=WIDTH, max_tokens=512)
QWEN = TextEncoderSpec(name="qwen2.5", width=WIDTH, max_tokens=512)


def _drawn(shapes, seed=0, dtype=torch.bfloat16):
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if len(shape) == 1:
            made[name] = (1 + 0.1 * values if name.endswith("weight") else 0.1 * values).to(dtype)
        else:
            made[name] = (values / torch.Size(shape[1:]).numel() ** 0.5).to(dtype)
    return made


def t5(seed=0, *, width=WIDTH, layers=2, dtype=torch.bfloat16):
    """T5 as text_encoders/t5xxl_*.safetensors name it."""
    shapes = {
        "shared.weight": (32128, width),
        "encoder.final_layer_norm.weight": (width,),
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": (32, 2),
    }
    for i in range(layers):
        at = f"encoder.block.{i}.layer"
        shapes |= {f"{at}.0.SelfAttention.{n}.weight": (128, width) for n in "qkv"}
        shapes |= {
            f"{at}.0.SelfAttention.o.weight": (width, 128),
            f"{at}.0.layer_norm.weight": (width,),
            f"{at}.1.layer_norm.weight": (width,),
            f"{at}.1.DenseReluDense.wi_0.weight": (96, width),
            f"{at}.1.DenseReluDense.wi_1.weight": (96, width),
            f"{at}.1.DenseReluDense.wo.weight": (width, 96),
        }
    return _drawn(shapes, seed, dtype)


def llama(seed=0, *, width=WIDTH, layers=4, vocabulary=128320, biases=False):
    """LLaMA-3 as text_encoders/llava_llama3_*.safetensors name it; with biases, Qwen2.5."""
    shapes = {
        "model.embed_tokens.weight": (vocabulary, width),
        "model.norm.weight": (width,),
    }
    for i in range(layers):
        at = f"model.layers.{i}"
        for name, rows in (("q", 256), ("k", 128), ("v", 128)):
            shapes[f"{at}.self_attn.{name}_proj.weight"] = (rows, width)
            if biases:
                shapes[f"{at}.self_attn.{name}_proj.bias"] = (rows,)
        shapes |= {
            f"{at}.self_attn.o_proj.weight": (width, 256),
            f"{at}.mlp.gate_proj.weight": (96, width),
            f"{at}.mlp.up_proj.weight": (96, width),
            f"{at}.mlp.down_proj.weight": (width, 96),
            f"{at}.input_layernorm.weight": (width,),
            f"{at}.post_attention_layernorm.weight": (width,),
        }
    return _drawn(shapes, seed)


def qwen(seed=0, **options):
    """Qwen2.5 as text_encoders/qwen_2.5_vl_7b*.safetensors name it, a tensor of its eyes too."""
    made = llama(seed, **{"vocabulary": 152064, "biases": True, **options})
    return made | {"visual.patch_embed.proj.weight": torch.zeros(8, 3, 2, 2, 2)}


def clip(seed=0, *, width=WIDTH):
    """CLIP-L as text_encoders/clip_l.safetensors names it."""
    shapes = {
        "text_model.embeddings.token_embedding.weight": (49408, width),
        "text_model.embeddings.position_embedding.weight": (77, width),
        "text_model.final_layer_norm.weight": (width,),
        "text_model.final_layer_norm.bias": (width,),
    }
    for i in range(2):
        at = f"text_model.encoder.layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes[f"{at}.self_attn.{name}.weight"] = (width, width)
            shapes[f"{at}.self_attn.{name}.bias"] = (width,)
        for name in ("layer_norm1", "layer_norm2"):
            shapes[f"{at}.{name}.weight"] = shapes[f"{at}.{name}.bias"] = (width,)
        shapes |= {f"{at}.mlp.fc1.weight": (96, width), f"{at}.mlp.fc1.bias": (96,)}
        shapes |= {f"{at}.mlp.fc2.weight": (width, 96), f"{at}.mlp.fc2.bias": (width,)}
    return _drawn(shapes, seed)


def fp8_scaled(tensors):
    """The same weights as ComfyUI's fp8-scaled files hold them: matrices of layers, with scales."""
    made = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for name, value in tensors.items():
        layer = name.removesuffix(".weight")
        kept = "embed" in name or "shared" in name or "relative" in name or "visual" in name
        if value.ndim != 2 or kept:
            made[name] = value
            continue
        scale = value.abs().amax().float() / 448
        made[name] = (value.float() / scale).to(torch.float8_e4m3fn)
        made[f"{layer}.scale_weight"] = scale
    return made


def config(**changes):
    """A jova_3b2 of width 128 with narrow encoders."""
    sizes = {"dim": 128, "heads": 1, "dual_blocks": 1, "single_blocks": 2, "text": (T5, QWEN)}
    return replace(PRESETS["jova_3b2"], **{**sizes, **changes})


def checkpoint(path, made, notes=None, dtype=torch.bfloat16):
    """A random checkpoint of a config."""
    model = JoVA(made)
    initialise(model, seed=0)
    tensors = {name: value.to(dtype) for name, value in model.state_dict().items()}
    save_jova(Path(path), tensors, made, notes or {})


def write(path, tensors):
    """A safetensors file; `path`'s folder is made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, str(path))


HUNYUAN_TEXT = HUNYUAN.text


def hunyuan_config(text):
    """What a converted backbone says of itself, small: pooled vector, guidance, its own VAE."""
    return config(
        single_form="parallel",
        learned_pos="none",
        mask_channels=1,
        text_refiner_blocks=1,
        pooled_width=WIDTH,
        pooled_encoder="clip-l",
        guidance_embed=True,
        head_silu="once",
        video=HUNYUAN.video,
        text=(text,),
    )
