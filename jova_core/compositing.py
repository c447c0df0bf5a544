"""Given media put back over what was made, so that what is kept is kept exactly.

Legend: F frames, H W pixels, T video latents, h w latent rows and columns, N samples.
"""

import math
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as nnf
from torch import Tensor

from .config import JoVAConfig
from .given import Given

# Of what is made: pixels, and seconds of audio, that pass softly into what is kept. Ours.
BORDER, FADE = 8, 0.012


def made_weights(made: Tensor, spatial_ratio: int, *, border: int = BORDER) -> Tensor:
    """float `[T, H, W]`: 0 where a latent frame is kept, rising to 1 within what is made of it.

    made: bool cells `[T, h, w]`. The edges of the picture are no borders.
    """
    pixels = made.float().repeat_interleave(spatial_ratio, 1).repeat_interleave(spatial_ratio, 2)
    kept, total = 1 - pixels[:, None], torch.zeros_like(pixels[:, None])
    for _ in range(border):
        kept = nnf.max_pool2d(kept, 3, stride=1, padding=1)
        total += 1 - kept
    return (total / border)[:, 0]


def over_frames(weights: Tensor, temporal_ratio: int) -> Tensor:
    """Weights of latent frames `[T, H, W]` for the frames that they hold, `[F, H, W]`."""
    return torch.cat([weights[:1], weights[1:].repeat_interleave(temporal_ratio, 0)])


def composite(made: Tensor, given: Tensor, weights: Tensor) -> Tensor:
    """uint8 frames `[F, H, W, 3]`: `made` where the weights `[F, H, W]` are 1, `given` where 0."""
    mixed = torch.lerp(given.float(), made.float(), weights[..., None])
    return mixed.round().to(torch.uint8)


def join_audio(made: Tensor, given: Tensor, kept: Tensor, fade: int) -> Tensor:
    """Audio `[N]`: `given` where `kept`, bool `[N]`, and `made` elsewhere.

    They pass into each other over the `fade` samples of what is kept beside what is made, for there
    both have the same sound.
    """
    changes = nnf.avg_pool1d(
        nnf.pad((~kept).float()[None, None], (fade, fade), mode="replicate"), 2 * fade + 1, stride=1
    )
    share = (2 * changes[0, 0]).clamp(max=1)
    share = torch.where(kept, share, torch.ones_like(share))
    return torch.lerp(given, made, share)


def over_film(config: JoVAConfig, given: Given, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
    """Chunks of made frames in turn, each with what is kept of the given video put back."""
    ratio, start = config.video.spatial_ratio, 0
    weights = over_frames(made_weights(given.made_video, ratio), config.video.temporal_ratio)
    for made in chunks:
        there = given.video[start : start + len(made)]
        count = len(there)
        mixed = composite(made[:count], there, weights[start : start + count])
        yield torch.cat([mixed, made[count:]])
        start += len(made)


def over_audio(config: JoVAConfig, given: Given, made: Tensor) -> Tensor:
    """Made audio `[N]` with what is kept of the given audio put back."""
    spec = config.audio
    samples = math.ceil(spec.sample_rate / spec.latent_rate)
    kept = ~given.made_audio.repeat_interleave(samples)[: len(made)]
    wave = nnf.pad(given.audio, (0, max(0, len(made) - len(given.audio))))[: len(made)]
    return join_audio(made, wave, kept, round(FADE * spec.sample_rate))
