"""Both codecs and their latent statistics in one safetensors file, in bf16."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..config import JoVAConfig, JoVAError
from ..files import atomic_write, read_tensors
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

    def to_json(self) -> str:
        """One JSON object; `from_json` gives equal statistics."""
        return json.dumps({name: value.tolist() for name, value in vars(self).items()})

    @staticmethod
    def from_json(text: str) -> "LatentStats":
        """The inverse of `to_json`; other text gives empty statistics, which fit no config."""
        try:
            return LatentStats(**{k: torch.tensor(v) for k, v in json.loads(text).items()})
        except (TypeError, ValueError, AttributeError):
            return LatentStats(**dict.fromkeys(LatentStats.__dataclass_fields__, torch.empty(0)))

    def fit(self, config: JoVAConfig) -> bool:
        """Whether a checkpoint with this config was trained on latents with these statistics."""
        pairs = (
            (config.video.mean, self.video_mean),
            (config.video.std, self.video_std),
            (config.audio.mean, self.audio_mean),
            (config.audio.std, self.audio_std),
        )
        return all(
            len(told) == len(own) and torch.allclose(torch.tensor(told), own, atol=1e-4)
            for told, own in pairs
        )


@dataclass(frozen=True, kw_only=True)
class MiniCodecs:
    """What the weights file holds: both codecs, their statistics."""

    video: MiniVideoCodec
    audio: MiniAudioCodec
    stats: LatentStats


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
    with atomic_write(Path(path)) as temporary:
        save_file(tensors, temporary, metadata={"jova": json.dumps(about)})


def load_codecs(path: Path | str) -> MiniCodecs:
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
            f"{path} is not a codec file of this program ({FORMAT}); "
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
            f"{path} does not hold the mini codecs its header names: {reason}"
        ) from None
    for codec in (video, audio):
        codec.eval().requires_grad_(False)
    return MiniCodecs(video=video, audio=audio, stats=stats)


def _bf16(prefix: str, codec: nn.Module) -> dict[str, Tensor]:
    state = codec.state_dict()
    return {prefix + k: v.detach().cpu().bfloat16().contiguous() for k, v in state.items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
