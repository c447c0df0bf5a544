"""Three protocols (video codec, audio codec, text encoder) and the statistics of latents.

Legend: B batch, C channels, F frames, T video latents, H W pixels, h w latent rows and columns,
N samples, L audio latents, S text tokens.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .config import JoVAConfig
from .prompt import Prompt


class VideoCodec(Protocol):
    """Pictures to latents and back; causal in time, so that a clip can be decoded in chunks.

    name: equal to a config's `video.codec`.
    """

    name: str

    def encode(self, video: Tensor) -> Tensor:
        """`[B, 3, F, H, W]` in [-1, 1] → raw latents `[B, C, T, h, w]`."""
        ...

    def decode(self, latent: Tensor) -> Tensor:
        """The inverse of `encode`."""
        ...

    def decode_stream(self, latent: Iterable[Tensor]) -> Iterator[Tensor]:
        """Chunks of latents `[B, C, n, h, w]` → the frames of each, in turn."""
        ...


class AudioCodec(Protocol):
    """Mono audio to latents and back, at the checkpoint's sample rate.

    name: equal to a config's `audio.codec`.
    """

    name: str

    def encode(self, audio: Tensor) -> Tensor:
        """`[B, N]` in [-1, 1] → raw latents `[B, C, L]`."""
        ...

    def decode(self, latent: Tensor) -> Tensor:
        """The inverse of `encode`; at least as many samples as were encoded."""
        ...

    def decode_stream(self, latent: Tensor, chunk: int) -> Iterator[Tensor]:
        """The audio of `chunk` latents at a time; joined, they equal `decode`."""
        ...


class TextEncoder(Protocol):
    """Prompts to features of one encoder of a config."""

    def encode(
        self, prompts: Sequence[Prompt], *, phonemes_only: Sequence[Collection[int]] = ()
    ) -> Tensor:
        """`[B, S, width]`, padded to the encoder's fixed length.

        phonemes_only: per prompt, indices of the transcript words to encode by their phonemes
        alone, which trains unseen words; encoders without phonemes ignore it.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class LatentStats:
    """Mean and standard deviation of each channel of both latents over the training clips."""

    video_mean: Tensor
    video_std: Tensor
    audio_mean: Tensor
    audio_std: Tensor

    def to_json(self) -> str:
        """One JSON object; `from_json` gives equal statistics."""
        return json.dumps({name: value.tolist() for name, value in vars(self).items()})

    @staticmethod
    def from_json(text: str) -> "LatentStats":
        """The inverse of `to_json`; other text gives empty statistics, which match no config."""
        try:
            return LatentStats(**{k: torch.tensor(v) for k, v in json.loads(text).items()})
        except (TypeError, ValueError, AttributeError):
            return LatentStats(**dict.fromkeys(LatentStats.__dataclass_fields__, torch.empty(0)))

    def match(self, config: JoVAConfig) -> bool:
        """Whether a checkpoint of this config was trained on latents of these statistics."""
        pairs = (
            (config.video.mean, self.video_mean),
            (config.video.std, self.video_std),
            (config.audio.mean, self.audio_mean),
            (config.audio.std, self.audio_std),
        )
        return all(
            len(expected) == len(own) and torch.allclose(torch.tensor(expected), own, atol=1e-4)
            for expected, own in pairs
        )


@dataclass(frozen=True, kw_only=True)
class Codecs:
    """Both codecs of a checkpoint and the statistics of their latents."""

    video: VideoCodec
    audio: AudioCodec
    stats: LatentStats
