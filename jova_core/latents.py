"""The containers between modules: latents of both streams and their conditioning.

Legend: B batch, C channels, T video latent frames, H W latent rows and columns, L audio latents,
S text tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .config import JoVAConfig
from .timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class AVLatents:
    """A video latent `[B, C, T, H, W]` and an audio latent `[B, C_a, L]`; one may be absent."""

    video: Tensor | None = None
    audio: Tensor | None = None

    def map(self, fn: Callable[[Tensor], Tensor]) -> "AVLatents":
        """`fn` of each present stream."""
        return AVLatents(
            video=None if self.video is None else fn(self.video),
            audio=None if self.audio is None else fn(self.audio),
        )

    def zip(self, other: "AVLatents", fn: Callable[[Tensor, Tensor], Tensor]) -> "AVLatents":
        """`fn(self, other)` stream by stream; both must hold the same streams."""
        return AVLatents(
            video=None if self.video is None else fn(self.video, other.video),
            audio=None if self.audio is None else fn(self.audio, other.audio),
        )

    def add_scaled(self, other: "AVLatents", factor: float) -> "AVLatents":
        """self + factor · other."""
        return self.zip(other, lambda a, b: a + factor * b)


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """Inputs of the network besides the noisy latents.

    text: features of each encoder `[B, S_i, width_i]`, in config order.
    pooled: `[B, pooled_width]`; guidance: the scale of a distilled model `[B]`; both only for
    configs with such an input.
    image: latent of the given pictures `[B, C, T, H, W]`, 0 elsewhere.
    image_mask: `[B, 1, T, H, W]`, 1 = given.
    """

    text: tuple[Tensor, ...]
    pooled: Tensor | None = None
    guidance: Tensor | None = None
    image: Tensor | None = None
    image_mask: Tensor | None = None


def latent_shapes(
    config: JoVAConfig,
    frames: int,
    *,
    batch: int = 1,
    height: int | None = None,
    width: int | None = None,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of both latents for a legal frame count; height and width in pixels."""
    timeline, ratio = Timeline.of(config), config.video.spatial_ratio
    rows = (height or config.video.height) // ratio
    columns = (width or config.video.width) // ratio
    video = (batch, config.video.channels, timeline.video_latents(frames), rows, columns)
    return video, (batch, config.audio.channels, timeline.audio_latents(frames))


def draw_noise(
    video_shape: tuple[int, ...] | None, audio_shape: tuple[int, ...] | None, seed: int
) -> AVLatents:
    """Standard normal noise: one fp32 CPU generator, video first; the same on any machine."""
    generator = torch.Generator("cpu").manual_seed(seed)

    def draw(shape: tuple[int, ...] | None) -> Tensor | None:
        return None if shape is None else torch.randn(shape, generator=generator)

    video = draw(video_shape)
    return AVLatents(video=video, audio=draw(audio_shape))


def normalise(config: JoVAConfig, latents: AVLatents) -> AVLatents:
    """Raw codec latents → zero mean and unit variance per channel, as the network sees them."""
    return AVLatents(
        video=_standardise(latents.video, config.video.mean, config.video.std),
        audio=_standardise(latents.audio, config.audio.mean, config.audio.std),
    )


def denormalise(config: JoVAConfig, latents: AVLatents) -> AVLatents:
    """The inverse of `normalise`."""
    return AVLatents(
        video=_restore(latents.video, config.video.mean, config.video.std),
        audio=_restore(latents.audio, config.audio.mean, config.audio.std),
    )


def _per_channel(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(
        -1, *[1] * (like.ndim - 2)
    )


def _standardise(
    x: Tensor | None, mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor | None:
    if x is None or not mean:
        return x
    return (x - _per_channel(mean, x)) / _per_channel(std, x)


def _restore(x: Tensor | None, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor | None:
    if x is None or not mean:
        return x
    return x * _per_channel(std, x) + _per_channel(mean, x)
