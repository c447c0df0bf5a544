"""Which codec a VAE is, and what may be done with it: by its class, never by a channel count."""

from typing import Any

import torch
from torch import Tensor

from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
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


def codec_name(vae: Any) -> str:
    """What a config calls this codec; of an unknown one the name of its class."""
    model = vae.first_stage_model
    if isinstance(vae, CodecVAE):
        return model.name
    return _PUBLIC.get(_key(vae), (type(model).__name__, ""))[0]


def codec_licence(vae: Any) -> str:
    """Terms of the published weights of core's VAEs; empty where they are not known."""
    return _PUBLIC.get(_key(vae), ("", ""))[1]


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
