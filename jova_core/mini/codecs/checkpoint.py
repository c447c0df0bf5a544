"""Both codecs and their latent statistics in one safetensors file, in bf16."""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from ...codecs import Codecs, LatentStats
from ...errors import JoVAError
from ...files import read_tensors, write_tensors
from .audio import AudioCodecConfig, MiniAudioCodec
from .video import MiniVideoCodec, VideoCodecConfig

FORMAT = "jova-mini-codecs-1"


def save_codecs(
    path: Path | str,
    video: MiniVideoCodec,
    audio: MiniAudioCodec,
    stats: LatentStats,
) -> None:
    """Write both codecs in bf16 to `path`, whole or not at all."""
    tensors = _bf16("video.", video) | _bf16("audio.", audio)
    about = {
        "format": FORMAT,
        "video": video.arguments(),
        "audio": audio.arguments(),
        "stats": json.loads(stats.to_json()),
    }
    write_tensors(path, tensors, {"jova": json.dumps(about)})


def load_codecs(path: Path | str) -> Codecs:
    """Read what `save_codecs` wrote: fp32, CPU, eval mode, no gradients.

    Raises JoVAError with one sentence on a missing, truncated or foreign file.
    """
    tensors, metadata = read_tensors(path, "codec", "a jova_mini_codecs.safetensors")
    try:
        about = json.loads(metadata.get("jova", "{}"))
    except ValueError:
        about = {}
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise JoVAError(
            f"{path} is not a codec file of JoVA-mini ({FORMAT}); "
            "give a jova_mini_codecs.safetensors."
        )
    try:
        video = MiniVideoCodec(VideoCodecConfig(**about["video"]))
        audio = MiniAudioCodec(AudioCodecConfig(**about["audio"]))
        video.load_state_dict(_part(tensors, "video."))
        audio.load_state_dict(_part(tensors, "audio."))
        stats = LatentStats(**{name: torch.tensor(v) for name, v in about["stats"].items()})
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise JoVAError(
            f"{path} does not match its header ({reason}); give another file."
        ) from None
    for codec in (video, audio):
        codec.eval().requires_grad_(False)
    return Codecs(video=video, audio=audio, stats=stats)


def _bf16(prefix: str, codec: nn.Module) -> dict[str, Tensor]:
    state = codec.state_dict()
    return {prefix + k: v.detach().cpu().bfloat16() for k, v in state.items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
