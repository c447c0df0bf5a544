"""Families of text encoders: what a file holds, by names and shapes, and core's class for it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.utils
import torch
from torch import Tensor, nn

from ...jova_core.config import JoVAConfig, TextEncoderSpec
from ...jova_core.errors import JoVAError
from .conditions import needs_pooled

Tensors = dict[str, Tensor]
_HEAD = 128  # channels of a head in every Qwen2.5 and LLaMA-3
_CLIP_HEAD = 64


@dataclass(frozen=True, kw_only=True)
class Family:
    """Encoders of one kind.

    part: the name in CLIP, core's, by which LoRAs find it. sign: a tensor that its files have.
    widths: released sizes by width. describe: a file's tensors → core's config; build: that config
    → (model class, special tokens); tokenizer: core's class.
    unused: starts of names that a file may lack. licence: of the published weights.
    """

    part: str
    title: str
    sign: str
    widths: dict[int, str]
    licence: str
    describe: Callable[[Tensors], dict[str, Any]]
    build: Callable[[], tuple[type[nn.Module], dict[str, int]]]
    tokenizer: Callable[[], Any]
    unused: tuple[str, ...] = ()
    layer_norm: str


@dataclass(frozen=True, kw_only=True)
class EncoderFile:
    """A file as it was read: its place for sentences, its family and width."""

    where: str
    tensors: Tensors
    family: Family
    config: dict[str, Any]

    @property
    def width(self) -> int:
        """Channels of its features."""
        return self.config.get("hidden_size") or self.config["d_model"]

    @property
    def title(self) -> str:
        """What it is, for sentences."""
        return self.family.widths.get(self.width, f"a {self.family.title} of width {self.width}")


@dataclass(frozen=True, kw_only=True)
class Need:
    """One encoder that a checkpoint reads; spec is None where only its pooled vector counts."""

    name: str
    width: int
    family: Family
    spec: TextEncoderSpec | None


def _layers(tensors: Tensors, start: str) -> int:
    found = {int(k[len(start) :].split(".")[0]) for k in tensors if k.startswith(start)}
    return len(found)


def _t5_config(tensors: Tensors) -> dict[str, Any]:
    block = "encoder.block.0.layer."
    heads = tensors[f"{block}0.SelfAttention.relative_attention_bias.weight"].shape[1]
    return {
        "d_model": tensors["encoder.final_layer_norm.weight"].shape[0],
        "d_ff": tensors[f"{block}1.DenseReluDense.wi_1.weight"].shape[0],
        "d_kv": tensors[f"{block}0.SelfAttention.q.weight"].shape[0] // heads,
        "num_heads": heads,
        "num_layers": _layers(tensors, "encoder.block."),
        "vocab_size": tensors["shared.weight"].shape[0],
        "dense_act_fn": "gelu_pytorch_tanh",
        "is_gated_act": True,
        "model_type": "t5",
    }


def _llama_config(tensors: Tensors) -> dict[str, Any]:
    block = "model.layers.0."
    return {
        "vocab_size": tensors["model.embed_tokens.weight"].shape[0],
        "hidden_size": tensors["model.norm.weight"].shape[0],
        "intermediate_size": tensors[f"{block}mlp.gate_proj.weight"].shape[0],
        "num_hidden_layers": _layers(tensors, "model.layers."),
        "num_attention_heads": tensors[f"{block}self_attn.q_proj.weight"].shape[0] // _HEAD,
        "num_key_value_heads": tensors[f"{block}self_attn.k_proj.weight"].shape[0] // _HEAD,
    }


def _clip_config(tensors: Tensors) -> dict[str, Any]:
    width = tensors["text_model.final_layer_norm.weight"].shape[0]
    return {
        "hidden_size": width,
        "intermediate_size": tensors["text_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": _layers(tensors, "text_model.encoder.layers."),
        "num_attention_heads": width // _CLIP_HEAD,
        "hidden_act": "quick_gelu",
        "max_position_embeddings": 77,
        "eos_token_id": 49407,
    }


def _t5() -> tuple[type[nn.Module], dict[str, int]]:
    from comfy.text_encoders.t5 import T5

    return T5, {"end": 1, "pad": 0}


def _t5_tokenizer() -> Any:
    from comfy.text_encoders.sd3_clip import T5XXLTokenizer

    return T5XXLTokenizer()


def _qwen() -> tuple[type[nn.Module], dict[str, int]]:
    from comfy.text_encoders.llama import BaseLlama, Llama2_, Qwen25_7BVLI_Config

    class Qwen25Text(BaseLlama, nn.Module):
        """Core's Qwen2.5 without the tower for pictures, which would take 1.3 GB more."""

        def __init__(self, config: dict[str, Any], dtype: Any, device: Any, ops: Any) -> None:
            super().__init__()
            self.num_layers, self.dtype = config["num_hidden_layers"], dtype
            known = Qwen25_7BVLI_Config(**config)
            self.model = Llama2_(known, device=device, dtype=dtype, ops=ops)

        def forward(self, x: Any, *arguments: Any, embeds_info: Any = (), **named: Any) -> Any:
            return self.model(x, *arguments, embeds_info=embeds_info, **named)

    return Qwen25Text, {"pad": 151643}


def _qwen_tokenizer() -> Any:
    from comfy.text_encoders.qwen_image import Qwen25_7BVLITokenizer

    return Qwen25_7BVLITokenizer()


def _llama() -> tuple[type[nn.Module], dict[str, int]]:
    from comfy.text_encoders.llama import Llama2

    return Llama2, {"start": 128000, "pad": 128258}


def _llama_tokenizer() -> Any:
    from comfy.text_encoders.hunyuan_video import LLAMA3Tokenizer

    return LLAMA3Tokenizer(min_length=1)


def _clip() -> tuple[type[nn.Module], dict[str, int]]:
    from comfy.clip_model import CLIPTextModel

    return CLIPTextModel, {"start": 49406, "end": 49407, "pad": 49407}


def _clip_tokenizer() -> Any:
    from comfy.sd1_clip import SDTokenizer

    return SDTokenizer()


T5 = Family(
    part="t5xxl",
    title="T5",
    sign="encoder.block.0.layer.1.DenseReluDense.wi_1.weight",
    widths={4096: "T5-XXL or flan-T5-XXL", 2048: "T5-XL"},
    licence="Apache-2.0",
    describe=_t5_config,
    build=_t5,
    tokenizer=_t5_tokenizer,
    layer_norm="encoder.final_layer_norm.weight",
)
QWEN = Family(
    part="qwen25_7b",
    title="Qwen2.5",
    sign="model.layers.0.self_attn.k_proj.bias",
    widths={3584: "Qwen2.5-7B", 2048: "Qwen2.5-3B"},
    licence="Apache-2.0 (7B)",
    describe=_llama_config,
    build=_qwen,
    tokenizer=_qwen_tokenizer,
    layer_norm="model.norm.weight",
)
LLAMA = Family(
    part="llama",
    title="LLaMA-3",
    sign="model.layers.0.self_attn.k_proj.weight",
    widths={4096: "LLaMA-3-8B"},
    licence="Meta Llama 3 Community License",
    describe=_llama_config,
    build=_llama,
    tokenizer=_llama_tokenizer,
    layer_norm="model.norm.weight",
)
CLIP = Family(
    part="clip_l",
    title="CLIP",
    sign="text_model.encoder.layers.0.mlp.fc1.weight",
    widths={768: "CLIP-L", 1280: "CLIP-G"},
    licence="MIT",
    describe=_clip_config,
    build=_clip,
    tokenizer=_clip_tokenizer,
    unused=("text_projection.", "text_model.embeddings.position_ids"),
    layer_norm="text_model.final_layer_norm.weight",
)
# A Qwen2.5 has LLaMA's tensors, too: the first family whose sign is there.
_FAMILIES = (T5, QWEN, LLAMA, CLIP)
_OTHERS = {
    "model.layers.0.self_attn.q_norm.weight": "Qwen3 or Gemma",
    "model.layers.0.post_feedforward_layernorm.weight": "Gemma",
    "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight": "UMT5",
    "encoder.block.0.layer.1.DenseReluDense.wi.weight": "T5 1.0",
}
# What configs call their encoders begins with one of these.
_NAMES = {
    "t5": T5,
    "flan-t5": T5,
    "qwen2.5": QWEN,
    "llama-3": LLAMA,
    "llava-llama-3": LLAMA,
    "clip-l": CLIP,
}


def needs_of(config: JoVAConfig) -> list[Need]:
    """The encoders that a checkpoint reads. Raises JoVAError for names that nothing loads."""
    found = [Need(name=s.name, width=s.width, family=_named(s.name), spec=s) for s in config.text]
    if needs_pooled(config) and config.pooled_encoder not in {spec.name for spec in config.text}:
        name = config.pooled_encoder
        found.append(Need(name=name, width=config.pooled_width, family=_named(name), spec=None))
    return found


def _named(name: str) -> Family:
    for start, family in _NAMES.items():
        if name.startswith(start):
            return family
    raise JoVAError(
        f"This checkpoint reads the text encoder {name!r}, which no file gives; known are "
        f"{', '.join(_NAMES)}, and the bundled one of JoVA-mini: choose that for a mini, or load "
        "saved conditioning."
    )


def read_encoder(path: Path, folder: str) -> EncoderFile:
    """A text encoder's file. Raises JoVAError for one that is truncated or of no known family."""
    where = f"{path.name} (models/{folder})"
    try:
        tensors, metadata = comfy.utils.load_torch_file(
            str(path), safe_load=True, return_metadata=True
        )
    except Exception as error:
        raise JoVAError(
            f"The text encoder {where} cannot be read ({_first_line(error)}); it may be truncated: "
            "copy or download it again."
        ) from error
    tensors, _ = comfy.utils.convert_old_quants(tensors, model_prefix="", metadata=metadata)
    if "shared.weight" not in tensors and "encoder.embed_tokens.weight" in tensors:
        tensors["shared.weight"] = tensors["encoder.embed_tokens.weight"]
    other = next((title for sign, title in _OTHERS.items() if sign in tensors), None)
    family = next((family for family in _FAMILIES if family.sign in tensors), None)
    if family is None or other is not None:
        raise JoVAError(
            f"The file {where} holds {other or 'no text encoder that is known here'}; choose one "
            f"of the families {', '.join(f.title for f in _FAMILIES)} in ComfyUI's format."
        )
    try:
        config = family.describe(tensors)
    except KeyError as error:
        raise JoVAError(
            f"The text encoder {where} lacks the tensor {error.args[0]} of a {family.title}; copy "
            "or download the whole file again."
        ) from error
    return EncoderFile(where=where, tensors=tensors, family=family, config=config)


def check_fit(file: EncoderFile, need: Need) -> None:
    """Raises JoVAError for a file of the right family that is not the encoder of the checkpoint."""
    if file.width != need.width:
        raise JoVAError(
            f"The file {file.where} holds {file.title}; this checkpoint reads {need.name} of width "
            f"{need.width}: choose that file."
        )
    fingerprint = "" if need.spec is None else need.spec.fingerprint
    name, _, digest = fingerprint.partition(":")
    if fingerprint and (name not in file.tensors or _digest(file.tensors[name]) != digest):
        raise JoVAError(
            f"The file {file.where} has the shapes of {need.name} but other weights, as T5 has "
            f"beside flan-T5; this checkpoint was trained with {need.name}: choose that file."
        )


def _digest(tensor: Tensor) -> str:
    values = tensor.to(torch.float32).contiguous().cpu().numpy()
    return hashlib.sha256(values.tobytes()).hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
