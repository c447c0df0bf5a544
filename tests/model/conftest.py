"""Random weights of public backbones under their published names, small and with every bias."""

import re

import pytest
import torch


def _named(layers, norms, *, dtype=torch.float32, seed=0):
    """Weights and biases of layers (name → shape), and norm weights (name → width)."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    tensors = {}
    for name, shape in layers.items():
        fan = torch.Size(shape[1:]).numel()
        tensors[f"{name}.weight"] = draw(*shape) / fan**0.5
        tensors[f"{name}.bias"] = 0.3 * draw(shape[0])
    for name, width in norms.items():
        tensors[name] = 1 + 0.3 * draw(width)
    return {name: value.to(dtype) for name, value in tensors.items()}


def _hunyuan(
    *, channels=16, guidance=False, dim=256, text=24, pooled=10, blocks=(2, 2, 2), **options
):
    layers = {
        "img_in.proj": (dim, channels, 1, 2, 2),
        "vector_in.in_layer": (dim, pooled),
        "vector_in.out_layer": (dim, dim),
        "txt_in.input_embedder": (dim, text),
        "txt_in.c_embedder.linear_1": (dim, text),
        "txt_in.c_embedder.linear_2": (dim, dim),
        "final_layer.adaLN_modulation.1": (2 * dim, dim),
        "final_layer.linear": (64, dim),
    }
    for name in ("time_in", "txt_in.t_embedder", *(("guidance_in",) if guidance else ())):
        layers |= {f"{name}.mlp.0": (dim, 256), f"{name}.mlp.2": (dim, dim)}
    norms = {}
    for i in range(blocks[0]):
        at = f"txt_in.individual_token_refiner.blocks.{i}"
        layers |= {
            f"{at}.self_attn_qkv": (3 * dim, dim),
            f"{at}.self_attn_proj": (dim, dim),
            f"{at}.mlp.fc1": (4 * dim, dim),
            f"{at}.mlp.fc2": (dim, 4 * dim),
            f"{at}.adaLN_modulation.1": (2 * dim, dim),
        }
        for norm in ("norm1", "norm2"):
            norms |= {f"{at}.{norm}.weight": dim, f"{at}.{norm}.bias": dim}
    for i in range(blocks[1]):
        for stream in ("img", "txt"):
            at = f"double_blocks.{i}.{stream}"
            layers |= {
                f"{at}_mod.linear": (6 * dim, dim),
                f"{at}_attn_qkv": (3 * dim, dim),
                f"{at}_attn_proj": (dim, dim),
                f"{at}_mlp.fc1": (4 * dim, dim),
                f"{at}_mlp.fc2": (dim, 4 * dim),
            }
            norms |= {f"{at}_attn_{n}_norm.weight": 128 for n in "qk"}
    for i in range(blocks[2]):
        at = f"single_blocks.{i}"
        layers |= {
            f"{at}.modulation.linear": (3 * dim, dim),
            f"{at}.linear1": (7 * dim, dim),
            f"{at}.linear2": (dim, 5 * dim),
        }
        norms |= {f"{at}.{n}_norm.weight": 128 for n in "qk"}
    return _named(layers, norms, **options)


def _open_sora(*, guidance=False, dim=256, text=24, pooled=10, blocks=(2, 2), **options):
    layers = {
        "img_in": (dim, 64),
        "cond_in": (dim, 68),
        "txt_in": (dim, text),
        "final_layer.adaLN_modulation.1": (2 * dim, dim),
        "final_layer.linear": (64, dim),
    }
    widths = {"time_in": 256, "vector_in": pooled} | ({"guidance_in": 256} if guidance else {})
    for name, width in widths.items():
        layers |= {f"{name}.in_layer": (dim, width), f"{name}.out_layer": (dim, dim)}
    norms = {}
    for i in range(blocks[0]):
        for stream in ("img", "txt"):
            at = f"double_blocks.{i}.{stream}"
            layers |= {f"{at}_attn.{n}": (dim, dim) for n in ("q_proj", "k_proj", "v_proj", "proj")}
            layers |= {
                f"{at}_mod.lin": (6 * dim, dim),
                f"{at}_mlp.0": (4 * dim, dim),
                f"{at}_mlp.2": (dim, 4 * dim),
            }
            norms |= {f"{at}_attn.norm.{n}_norm.scale": 128 for n in ("query", "key")}
    for i in range(blocks[1]):
        at = f"single_blocks.{i}"
        layers |= {
            f"{at}.modulation.lin": (3 * dim, dim),
            f"{at}.q_proj": (dim, dim),
            f"{at}.k_proj": (dim, dim),
            f"{at}.v_mlp": (5 * dim, dim),
            f"{at}.linear2": (dim, 5 * dim),
        }
        norms |= {f"{at}.norm.{n}_norm.scale": 128 for n in ("query", "key")}
    return _named(layers, norms, **options)


_TO_DIFFUSERS = (
    (r"^img_in\.", "x_embedder."),
    (r"^time_in\.mlp\.", "time_text_embed.timestep_embedder.mlp."),
    (r"^guidance_in\.mlp\.", "time_text_embed.guidance_embedder.mlp."),
    (r"^vector_in\.", "time_text_embed.text_embedder."),
    (r"^txt_in\.t_embedder\.", "context_embedder.time_text_embed.timestep_embedder."),
    (r"^txt_in\.c_embedder\.", "context_embedder.time_text_embed.text_embedder."),
    (r"^txt_in\.input_embedder\.", "context_embedder.proj_in."),
    (r"^txt_in\.individual_token_refiner\.", "context_embedder.token_refiner.refiner_"),
    (r"\.adaLN_modulation\.1\.", ".norm_out.linear."),
    (r"^final_layer\.norm_out", "norm_out"),
    (r"^final_layer\.linear", "proj_out"),
    (r"^double_blocks", "transformer_blocks"),
    (r"^single_blocks", "single_transformer_blocks"),
    (r"\.modulation\.linear", ".norm.linear"),
    (r"\.img_mod", ".norm1"),
    (r"\.txt_mod", ".norm1_context"),
    (r"\.img_mlp", ".ff"),
    (r"\.txt_mlp", ".ff_context"),
    (r"(refiner_blocks\.\d+)\.mlp", r"\1.ff"),
    (r"\.img_attn_(q|k)_norm", r".attn.norm_\1"),
    (r"\.txt_attn_(q|k)_norm", r".attn.norm_added_\1"),
    (r"(single_transformer_blocks\.\d+)\.(q|k)_norm", r"\1.attn.norm_\2"),
    (r"\.(img|self)_attn_proj", ".attn.to_out.0"),
    (r"\.txt_attn_proj", ".attn.to_add_out"),
    (r"\.linear2", ".proj_out"),
    (r"\.fc1", ".net.0.proj"),
    (r"\.fc2", ".net.2"),
    (r"embedder\.(mlp\.0|in_layer)\.", "embedder.linear_1."),
    (r"embedder\.(mlp\.2|out_layer)\.", "embedder.linear_2."),
)


def _renamed(name, patterns):
    for pattern, becomes in patterns:
        name = re.sub(pattern, becomes, name)
    return name


def _to_diffusers(tensors):
    """HunyuanVideo's tensors under the names, and with the splits, of the diffusers library."""
    made = {}
    for name, value in tensors.items():
        new = _renamed(name, _TO_DIFFUSERS)
        at, _, kind = new.rpartition(".")
        dim = value.shape[0] // (7 if at.endswith("linear1") else 3)
        if at.endswith("attn_qkv"):
            stem = at.rpartition(".")[0]
            form = "attn.add_{}_proj" if at.endswith("txt_attn_qkv") else "attn.to_{}"
            parts = {form.format(n): part for n, part in zip("qkv", value.split(dim), strict=True)}
        elif at.endswith("linear1"):
            stem = at.rpartition(".")[0]
            names = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
            parts = dict(zip(names, value.split([dim, dim, dim, 4 * dim]), strict=True))
        elif at == "norm_out.linear":
            shift, scale = value.chunk(2)
            stem, parts = "", {at: torch.cat((scale, shift))}
        else:
            stem, parts = "", {at: value}
        for part, rows in parts.items():
            made[f"{stem}.{part}.{kind}".lstrip(".")] = rows.contiguous()
    return made


_TO_COMFYUI = (
    (r"^", "model.model."),
    (r"(time_in|guidance_in|t_embedder)\.mlp\.0", r"\1.in_layer"),
    (r"(time_in|guidance_in|t_embedder)\.mlp\.2", r"\1.out_layer"),
    (r"c_embedder\.linear_1", "c_embedder.in_layer"),
    (r"c_embedder\.linear_2", "c_embedder.out_layer"),
    (r"(_mod|modulation)\.linear", r"\1.lin"),
    (r"(img|txt)_attn_q_norm", r"\1_attn.norm.query_norm"),
    (r"(img|txt)_attn_k_norm", r"\1_attn.norm.key_norm"),
    (r"(single_blocks\.\d+)\.q_norm", r"\1.norm.query_norm"),
    (r"(single_blocks\.\d+)\.k_norm", r"\1.norm.key_norm"),
    (r"_attn_(qkv|proj)", r"_attn.\1"),
    (r"mlp\.fc1", "mlp.0"),
    (r"mlp\.fc2", "mlp.2"),
)


@pytest.fixture(scope="session")
def hunyuan_weights():
    """`hunyuan_weights(naming, ...)`: HunyuanVideo as "original", "diffusers" or "comfyui"."""

    def make(naming="original", **options):
        tensors = _hunyuan(**options)
        if naming == "diffusers":
            return _to_diffusers(tensors)
        if naming == "comfyui":
            return {_renamed(name, _TO_COMFYUI): value for name, value in tensors.items()}
        return tensors

    return make


@pytest.fixture(scope="session")
def open_sora_weights():
    """`open_sora_weights(...)`: Open-Sora 2.0 as published, q, k and v apart."""
    return _open_sora
