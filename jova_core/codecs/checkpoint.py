"""Both codecs, their latent statistics and small extra tables in one safetensors file, in bf16."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..config import JoVAError
from .audio import AudioCodecConfig, MiniAudioCodec
from .video import MiniVideoCodec, VideoCodecConfig

FORMAT = "jova-mini-codecs-1"


@dataclass(frozen=True, kw_only=True)
class LatentStats:
    """Per-channel mean and standard deviation of both latents over the training clips."""

    video_mean: Tensor
    video_std: Tensor
    audio_mean: Tensor
    audio_std: Tensor


@dataclass(frozen=True, kw_only=True)
class MiniCodecs:
    """What the weights file holds: both codecs, their statistics and the other tensors in it."""

    video: MiniVideoCodec
    audio: MiniAudioCodec
    stats: LatentStats
    extra: dict[str, Tensor] = field(default_factory=dict)


def save_codecs(
    path: Path | str,
    video: MiniVideoCodec,
    audio: MiniAudioCodec,
    stats: LatentStats,
    extra: dict[str, Tensor] | None = None,
) -> None:
    """Write both codecs in bf16 to `path`; `extra` tensors are kept under their own names."""
    tensors = _bf16("video.", video) | _bf16("audio.", audio)
    taken = sorted(name for name in extra or {} if name.startswith(("video.", "audio.")))
    if taken:
        raise JoVAError(f"extra tensors may not be named video.* or audio.*, got {taken[0]!r}")
    tensors |= {name: value.contiguous() for name, value in (extra or {}).items()}
    about = {
        "format": FORMAT,
        "video": video.arguments(),
        "audio": audio.arguments(),
        "stats": {name: value.tolist() for name, value in vars(stats).items()},
    }
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        save_file(tensors, part, metadata={"jova": json.dumps(about)})
        part.replace(path)
    except (OSError, SafetensorError) as error:
        raise JoVAError(f"could not write the codecs to {path}: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def load_codecs(path: Path | str) -> MiniCodecs:
    """Read what `save_codecs` wrote: fp32, CPU, eval mode, no gradients.

    Raises JoVAError with one sentence on a missing, truncated or foreign file.
    """
    path = Path(path)
    if not path.is_file():
        raise JoVAError(f"no codec file at {path}; give the path of a jova_mini_codecs.safetensors")
    about, tensors = _read(path)
    try:
        video = MiniVideoCodec(VideoCodecConfig(**about["video"]))
        audio = MiniAudioCodec(AudioCodecConfig(**about["audio"]))
        video.load_state_dict(_part(tensors, "video."))
        audio.load_state_dict(_part(tensors, "audio."))
        stats = LatentStats(**{name: torch.tensor(v) for name, v in about["stats"].items()})
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise JoVAError(
            f"{path} does not hold the mini codecs its header names: {reason}"
        ) from None
    extra = {k: v for k, v in tensors.items() if not k.startswith(("video.", "audio."))}
    for codec in (video, audio):
        codec.eval().requires_grad_(False)
    return MiniCodecs(video=video, audio=audio, stats=stats, extra=extra)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("jova", "{}"))
            if not isinstance(about, dict) or about.get("format") != FORMAT:
                raise JoVAError(
                    f"{path} is not a codec file of this program ({FORMAT}); "
                    "give a jova_mini_codecs.safetensors"
                )
            return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise JoVAError(f"{path} is truncated or not a safetensors file: {error}") from None


def _bf16(prefix: str, codec: nn.Module) -> dict[str, Tensor]:
    state = codec.state_dict()
    return {prefix + k: v.detach().cpu().bfloat16().contiguous() for k, v in state.items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
