"""Loaders: a checkpoint as MODEL, its text encoders as CLIP, its codecs as VAE."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.patcher_extension
import comfy.sd
import comfy.utils
import torch
from torch import Tensor

from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
from ...jova_core.model.checkpoint import CORE_PREFIX, expected_shapes
from ...jova_core.presets import PRESETS
from .codecs import codec_licences, codec_name, load_public
from .files import BUNDLED, FROM_FILE, NONE, chosen_path, describe_file
from .mini import bundled_checkpoint, load_codec_vaes, load_mini_text
from .model import JoVAModelConfig, model_config, model_notes, share_shapes
from .text import FOLDER, encoder_licences, load_text

__all__ = [
    "PRESET_NAMES",
    "WEIGHT_DTYPES",
    "codec_licences",
    "encoder_licences",
    "licence",
    "load_checkpoint",
    "load_codecs",
    "load_model",
    "load_text_encoder",
]
PRESET_NAMES = (FROM_FILE, *PRESETS)
_DTYPES = {
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e4m3fn_fast": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp32": torch.float32,
}
WEIGHT_DTYPES = ("default", *_DTYPES)
WRAPPER = "jova"  # the key of what the loader adds to every MODEL


def load_model(
    checkpoint: str = BUNDLED, weight_dtype: str = "default", preset: str = FROM_FILE
) -> comfy.model_patcher.ModelPatcher:
    """The checkpoint chosen in the loader, as MODEL; errors as in `load_checkpoint`."""
    path = chosen_path("diffusion_models", checkpoint) or bundled_checkpoint()
    return load_checkpoint(path, weight_dtype, preset)


def load_checkpoint(
    path: Path, weight_dtype: str = "default", preset: str = FROM_FILE
) -> comfy.model_patcher.ModelPatcher:
    """A JoVA checkpoint as MODEL.

    Raises JoVAError for another model's file, a truncated one, or one without metadata.
    """
    options: dict[str, Any] = {"fp8_optimizations": weight_dtype.endswith("_fast")}
    if weight_dtype in _DTYPES:
        options["dtype"] = _DTYPES[weight_dtype]
    return _load(path, options, preset)


def load_codecs(name: str = BUNDLED, audio: str = NONE) -> tuple[Any, Any]:
    """Video and audio codec as VAE: both of a JoVA file, or of public files, where each has one.

    The audio codec is None where a public video codec comes alone. Raises JoVAError for other files
    and for a video codec in the place of an audio codec or the other way round.
    """
    path = chosen_path("vae", name)
    public = None if path is None else load_public(path)
    video_vae, audio_vae = (public, None) if public is not None else load_codec_vaes(path)
    if audio != NONE:
        audio_vae = load_public(chosen_path("vae", audio))
        if audio_vae is None:
            raise JoVAError(
                f"Got {audio}, a JoVA codec file, which holds both codecs; choose it in `codecs`."
            )
    for vae, dimensions, kind in ((video_vae, 3, "video"), (audio_vae, 1, "audio")):
        if vae is not None and vae.latent_dim != dimensions:
            raise JoVAError(
                f"Got {codec_name(vae)} as the {kind} codec, which makes no {kind} latents; choose "
                "the video codec in `codecs` and the audio codec in `audio_codec`."
            )
    return video_vae, audio_vae


def licence(model: Any) -> str:
    """What a checkpoint's notes say of the terms of its weights and of its origin."""
    notes = model_notes(model)
    source = notes.get("source", {})
    origin = source.get("layout", "") if isinstance(source, dict) else source
    line = f"\nMade from {origin}." if origin else ""
    return f"Licence of the weights: {notes['licence']}{line}" if "licence" in notes else ""


def load_text_encoder(
    encoder_1: str = BUNDLED, encoder_2: str = NONE, model: Any = None
) -> comfy.sd.CLIP:
    """The text encoders that a MODEL was trained with as CLIP; the mini's from no file.

    Raises JoVAError, which says what to choose, for any other encoders.
    """
    chosen = [name for name in (encoder_1, encoder_2) if name not in (BUNDLED, NONE)]
    if not chosen and model is None:
        return load_mini_text(*describe_file(bundled_checkpoint()))
    if not chosen:
        return load_mini_text(model_config(model), model_notes(model))
    if model is None:
        raise JoVAError(
            f"Got {chosen[0]} without a model, so its use is unknown; connect `model` to Load JoVA "
            "Model."
        )
    return load_text(model_config(model), [chosen_path(FOLDER, name) for name in chosen])


def _load(
    path: Path, options: dict[str, Any], preset: str, disable_dynamic: bool = False
) -> comfy.model_patcher.ModelPatcher:
    tensors, config, notes = _read(path, preset)
    management = comfy.model_management
    core_config = JoVAModelConfig(config)
    core_config.quant_config = comfy.utils.detect_layer_quantization(tensors, "")
    quantised = core_config.quant_config is not None
    device = management.get_torch_device()
    offload = management.unet_offload_device()
    dtype = options.get("dtype") or management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(tensors),
        supported_dtypes=core_config.supported_inference_dtypes,
        weight_dtype=None if quantised else comfy.utils.weight_dtype(tensors),
    )
    cast = management.unet_manual_cast(
        None if quantised else dtype, device, core_config.supported_inference_dtypes
    )
    core_config.set_inference_dtype(dtype, cast, device=device)
    core_config.optimizations["fp8"] = options["fp8_optimizations"]
    model = core_config.get_model(tensors)
    model.notes = notes
    patchers = comfy.model_patcher
    patcher_class = patchers.ModelPatcher if disable_dynamic else patchers.CoreModelPatcher
    patcher = patcher_class(model, load_device=device, offload_device=offload)
    if not management.is_device_cpu(offload):
        model.to(offload)
    model.load_model_weights(tensors, "", assign=patcher.is_dynamic())
    run = comfy.patcher_extension.WrappersMP.OUTER_SAMPLE
    patcher.add_wrapper_with_key(run, WRAPPER, share_shapes)
    patcher.cached_patcher_init = (_load, (path, options, preset))
    return patcher


def _read(path: Path, preset: str) -> tuple[dict[str, Tensor], JoVAConfig, dict[str, Any]]:
    if path.suffix not in (".safetensors", ".sft"):
        raise JoVAError(
            f"Got {path.name}; expected a JoVA checkpoint (.safetensors); choose another file."
        )
    config, notes = describe_file(path, preset)
    try:
        tensors, metadata = comfy.utils.load_torch_file(str(path), return_metadata=True)
    except Exception as error:
        raise JoVAError(
            f"Got {path.name}, which cannot be read ({error}); expected a whole safetensors file; "
            "copy or download it again."
        ) from error
    tensors, _ = comfy.utils.convert_old_quants(tensors, "", metadata=metadata or {})
    inner = comfy.utils.state_dict_prefix_replace(tensors, {CORE_PREFIX: ""}, filter_keys=True)
    tensors = inner or tensors
    if preset != FROM_FILE and config == PRESETS["mini"]:
        # The preset has no latent statistics; use those of the bundled codecs.
        bundled, _ = describe_file(bundled_checkpoint())
        config = replace(config, video=bundled.video, audio=bundled.audio)
    missing = sorted(expected_shapes(config).keys() - tensors.keys())
    if missing:
        raise JoVAError(
            f"Got {path.name} without {len(missing)} tensors, first {missing[0]}; expected the "
            "whole model that its config describes; choose another file."
        )
    return tensors, config, notes
