"""Which codec a VAE is, and what may be done with it: by its class, never by a channel count."""

from pathlib import Path
from typing import Any

import comfy.sd
import comfy.utils
import torch
from torch import Tensor

from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
from .mini import holds_codecs
from .vae import CodecVAE

# Core's class, with the rate of its samples for audio, → a config's name of the codec, and the
# terms of its published weights.
_PUBLIC = {
    ("comfy.ldm.wan.vae.WanVAE", 3): ("wan2.1", "Apache-2.0"),
    ("comfy.ldm.models.autoencoder.AutoencoderKL", 3): (
        "hunyuan-video",
        "Tencent Hunyuan Community License",
    ),
    ("comfy.ldm.mmaudio.vae.autoencoder.AudioAutoencoder", 44_100): (
        "mmaudio-16k",
        "CC-BY-NC 4.0, not for commercial use",
    ),
    ("comfy.ldm.audio.autoencoder.AudioOobleckVAE", 48_000): ("ace-step-1.5", "MIT"),
}


def load_public(path: Path) -> Any | None:
    """A VAE that core knows, None for a file of this pack's codecs.

    Raises JoVAError for a file that is truncated, lacks tensors or holds no VAE.
    """
    where = f"{path.name} (models/vae)"
    try:
        tensors, metadata = comfy.utils.load_torch_file(str(path), return_metadata=True)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise JoVAError(
            f"The codec {where} cannot be read ({reason}); it may be truncated: copy or download "
            "it again."
        ) from error
    if holds_codecs(tensors, metadata or {}):
        return None
    try:
        vae = comfy.sd.VAE(sd=tensors, metadata=metadata)
    except (RuntimeError, KeyError) as error:
        raise JoVAError(
            f"The codec {where} holds tensors of other shapes than its kind has "
            f"({str(error).splitlines()[-1].strip()}); download it again."
        ) from error
    if vae.first_stage_model is None:
        raise JoVAError(f"The file {where} holds no VAE that ComfyUI knows; choose another file.")
    _check_whole(vae, tensors, where)
    vae.patcher.cached_patcher_init = (comfy.sd.load_vae_patcher, (str(path), metadata, None))
    return vae


def _check_whole(vae: Any, tensors: dict[str, Tensor], where: str) -> None:
    """Raises JoVAError where a known codec lacks weights, which core only logs."""
    names = {name for name, _ in vae.first_stage_model.named_parameters()}
    # Weights under a norm are stored under older names, too, which torch knows to convert.
    missing = sorted(name for name in names - tensors.keys() if "parametrizations" not in name)
    if _key(vae) in _PUBLIC and missing:
        raise JoVAError(
            f"The codec {where} lacks {len(missing)} of its tensors, first {missing[0]}; copy or "
            "download the whole file again."
        )


def codec_name(vae: Any) -> str:
    """What a config calls this codec; of an unknown one the name of its class."""
    model = vae.first_stage_model
    if isinstance(vae, CodecVAE):
        return model.name
    return _PUBLIC.get(_key(vae), (type(model).__name__, ""))[0]


def codec_licences(*vaes: Any) -> str:
    """A line for each public codec with the terms of its published weights."""
    known = [_PUBLIC[_key(vae)] for vae in vaes if vae is not None and _key(vae) in _PUBLIC]
    return "\n".join(f"{name}: {licence}" for name, licence in known)


def _key(vae: Any) -> tuple[str, int]:
    kind, dimensions = type(vae.first_stage_model), getattr(vae, "latent_dim", 0)
    detail = vae.audio_sample_rate if dimensions == 1 else dimensions
    return f"{kind.__module__}.{kind.__qualname__}", detail


def check_codec(config: JoVAConfig, vae: Any, stream: str) -> None:
    """Raises JoVAError if a VAE is not the codec that the model was trained with."""
    wanted, got = getattr(config, stream).codec, codec_name(vae)
    other = isinstance(vae, CodecVAE) and not vae.stats.match(config)
    if got != wanted or other:
        raise JoVAError(
            f"The {stream} codec does not belong to this model, which was trained with {wanted}; "
            f"`{stream}_vae` is {got}{' of other latents' if got == wanted else ''}: connect the "
            "one of the matching Load JoVA Codecs, or of Load VAE for a public codec."
        )


def encode_audio(vae: Any, wave: Tensor, latents: int) -> Tensor:
    """Samples `[C, N]` at the VAE's rate, cut or followed by silence → `[1, C_a, latents]`."""
    known = _encoded(vae, wave)
    if known.shape[2] < latents:
        # An encoder without padding of its own needs what follows the last latent.
        wider = latents - known.shape[2] + 1
        rate = -(-wave.shape[1] // latents)
        known = _encoded(vae, torch.nn.functional.pad(wave, (0, wider * rate)))
    return known[..., :latents]


def _encoded(vae: Any, wave: Tensor) -> Tensor:
    # Some encoders draw from their distribution: from the same seed, for the same latents.
    device = getattr(vae, "device", torch.device("cpu"))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        return vae.encode(wave.T[None])
