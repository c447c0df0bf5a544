"""Both codecs and their latent statistics in one safetensors file, in bf16."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ...codecs import Codecs, LatentStats
from ...errors import JoVAError
from ...files import read_tensors, write_tensors
from .audio import AudioCodecConfig, MiniAudioCodec
from .video import MiniVideoCodec, VideoCodecConfig

FORMAT = "jova-mini-codecs-1"
ABOUT = "jova.codecs"  # what else stands in the metadata, as JSON in a uint8 tensor
CORE_PREFIX = "first_stage_model."  # which ComfyUI's Save Checkpoint puts before every name


def save_codecs(
    path: Path | str,
    video: MiniVideoCodec,
    audio: MiniAudioCodec,
    stats: LatentStats,
) -> None:
    """Write both codecs in bf16 to `path`, whole or not at all."""
    codecs = Codecs(video=video, audio=audio, stats=stats)
    write_tensors(path, _tensors(codecs), {"jova": _about(codecs)})


def codec_state(codecs: Codecs) -> dict[str, Tensor]:
    """Both codecs as tensors alone, for programs that write metadata of their own."""
    about = torch.frombuffer(bytearray(_about(codecs).encode()), dtype=torch.uint8)
    return {**_tensors(codecs), ABOUT: about}


def holds_codecs(tensors: Iterable[str], metadata: Mapping[str, str]) -> bool:
    """Whether a file with these names of tensors is one of ours, with or without its metadata."""
    return "jova" in metadata or any(name.removeprefix(CORE_PREFIX) == ABOUT for name in tensors)


def _tensors(codecs: Codecs) -> dict[str, Tensor]:
    return _bf16("video.", codecs.video) | _bf16("audio.", codecs.audio)


def _about(codecs: Codecs) -> str:
    about = {
        "format": FORMAT,
        "video": codecs.video.arguments(),
        "audio": codecs.audio.arguments(),
        "stats": json.loads(codecs.stats.to_json()),
    }
    return json.dumps(about)


def load_codecs(path: Path | str) -> Codecs:
    """Read what `save_codecs` wrote, or a program that was given a `codec_state`.

    Both come in fp32, on the CPU, in eval mode, without gradients.
    Raises JoVAError with one sentence on a missing, truncated or foreign file.
    """
    tensors, metadata = read_tensors(path, "codec", "a jova_mini_codecs.safetensors")
    tensors = {name.removeprefix(CORE_PREFIX): value for name, value in tensors.items()}
    kept = tensors.get(ABOUT)
    try:
        about = json.loads(metadata.get("jova", "{}") if kept is None else bytes(kept.tolist()))
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
    return {prefix + k: v.detach().cpu().bfloat16().contiguous() for k, v in state.items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
