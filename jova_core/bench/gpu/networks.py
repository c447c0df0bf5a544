"""Networks with random weights and what they are called with, made where they are computed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...config import JoVAConfig
from ...given import GivenLatents
from ...latents import AVLatents, Conditioning, latent_shapes
from ...model.jova import JoVA
from ...pipeline import GuidedVelocity, SampleSettings
from ...training.data import Batch

SPREAD = 0.02  # standard deviation of the weights


class Fp8Linear(nn.Linear):
    """A linear layer whose weight is kept in fp8 and widened for each product, as ComfyUI does."""

    def __init__(self, *sizes: int, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.weight = nn.Parameter(self.weight.to(torch.float8_e4m3fn), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype), self.bias)


class Fp8Layers:
    """The layers of a network in fp8, as the networks' `ops`."""

    Linear, Embedding, RMSNorm, LayerNorm = Fp8Linear, nn.Embedding, nn.RMSNorm, nn.LayerNorm


@dataclass(frozen=True, kw_only=True)
class ClipSize:
    """Frames and pixels of a clip."""

    frames: int
    width: int
    height: int

    def shapes(self, config: JoVAConfig, batch: int = 1) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of both latents."""
        return latent_shapes(config, self.frames, batch=batch, height=self.height, width=self.width)

    def tokens(self, config: JoVAConfig) -> int:
        """Of the joint sequence."""
        video, audio = self.shapes(config)
        _, rows, columns = config.patch
        pictures = video[2] * -(-video[3] // rows) * -(-video[4] // columns)
        return pictures + -(-audio[2] // config.audio_patch) + 2 * config.text_tokens


def random_network(
    config: JoVAConfig, device: str, *, dtype: torch.dtype = torch.bfloat16, fp8: bool = False
) -> JoVA:
    """A network that never lies in memory wider than it is kept; without gradients."""
    model = JoVA(config, ops=Fp8Layers if fp8 else nn, dtype=dtype, device="meta")
    model = model.to_empty(device=device).requires_grad_(False)
    generator = torch.Generator(device).manual_seed(0)
    for parameter in model.parameters():
        drawn = torch.randn(parameter.shape, generator=generator, device=device, dtype=dtype)
        parameter.copy_(drawn.mul_(SPREAD))
    return model.eval()


def random_latents(config: JoVAConfig, clip: ClipSize, device: str, batch: int = 1) -> AVLatents:
    """Noise in bf16."""
    video, audio = (_draw(device, *shape) for shape in clip.shapes(config, batch))
    return AVLatents(video=video, audio=audio)


def guided(
    model: Callable[..., AVLatents],
    config: JoVAConfig,
    clip: ClipSize,
    device: str,
    *,
    passes: int,
    dtype: torch.dtype = torch.bfloat16,
) -> GuidedVelocity:
    """The velocity that sampling calls, with random text: unguided (one pass) or guided (two)."""
    video, _ = clip.shapes(config, 2)
    zeros = torch.zeros(video, device=device, dtype=dtype)
    text = tuple(features.to(dtype) for features in _text(config, device, 2))
    noise = random_latents(config, clip, device)
    scale = {} if passes == 2 else {"cfg_video": 1.0, "cfg_audio": 1.0}
    return GuidedVelocity(
        model=model,
        settings=SampleSettings(**scale),
        conditioning=Conditioning(text=text, image=zeros, image_mask=zeros[:1, :1]),
        given=GivenLatents.nothing(noise),
        noise=noise,
    )


def random_batch(config: JoVAConfig, clip: ClipSize, device: str, batch: int) -> Batch:
    """A training batch of noise at times from 50 to 950, everything made, no mouth."""
    x, target = (random_latents(config, clip, device, batch) for _ in range(2))
    times = torch.linspace(50, 950, batch, device=device)
    frames = x.video.shape[2]
    conditioning = Conditioning(
        text=_text(config, device, batch),
        image=torch.zeros_like(x.video),
        image_mask=torch.zeros_like(x.video[:, :1]),
    )
    return Batch(
        x=x,
        target=target,
        conditioning=conditioning,
        t_video=times[:, None].repeat(1, frames),
        t_audio=times,
        made_video=torch.ones(batch, 1, frames, 1, 1, device=device),
        made_audio=torch.ones(batch, 1, 1, device=device),
        mouth=torch.zeros_like(x.video[:, :1]).float(),
        sigma_video=times / 1000,
        sigma_audio=times / 1000,
    )


def _text(config: JoVAConfig, device: str, batch: int) -> tuple[Tensor, ...]:
    return tuple(_draw(device, batch, e.max_tokens, e.width) for e in config.text)


def _draw(device: str, *shape: int) -> Tensor:
    generator = torch.Generator(device).manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, device=device).bfloat16()
