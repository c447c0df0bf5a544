"""Our codecs as VAE: the members that core's VAE nodes use, no more."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import comfy.model_management
import comfy.model_patcher
import torch
from torch import Tensor

from ...jova_core.codecs import LatentStats
from ...jova_core.errors import JoVAError


class CodecVAE:
    """A codec managed by core: its weights are in a patcher and move to the device before use."""

    latent_dim: int
    latent_channels: int
    disable_offload = False

    def __init__(
        self,
        codec: torch.nn.Module,
        stats: LatentStats,
        state: Callable[[], dict[str, Tensor]],
    ) -> None:
        management = comfy.model_management
        self.get_sd = state  # both codecs, as core's save nodes write them
        self.first_stage_model, self.stats = codec, stats
        self.latent_channels = codec.config.latent_channels
        self.device = management.vae_device()
        self.output_device = management.intermediate_device()
        self.vae_dtype = torch.float32
        # Small and of plain torch layers: whole on the device or not at all.
        self.patcher = comfy.model_patcher.ModelPatcher(
            codec, load_device=self.device, offload_device=management.vae_offload_device()
        )

    def throw_exception_if_invalid(self) -> None:
        """A codec that loaded is valid."""

    def model_size(self) -> int:
        """Bytes of the weights."""
        return self.patcher.model_size()

    def _ready(self, elements: int) -> None:
        """Load the weights, with memory for about `elements` activations."""
        comfy.model_management.load_models_gpu([self.patcher], memory_required=elements * 4)

    def _in(self, x: Tensor) -> Tensor:
        return x.to(device=self.device, dtype=self.vae_dtype)

    def _out(self, x: Tensor) -> Tensor:
        dtype = comfy.model_management.intermediate_dtype()
        return x.to(device=self.output_device, dtype=dtype)


class VideoVAE(CodecVAE):
    """IMAGE `[F, H, W, 3]` or `[B, F, H, W, 3]` in 0 … 1 ↔ raw latents `[B, 16, T, H/8, W/8]`."""

    latent_dim = 3
    # Elements of the decoder's widest layer for one latent cell of a frame.
    _WORK = 64 * 256

    def encode(self, pixels: Tensor) -> Tensor:
        """Drops frames beyond 4n + 1, and rows and columns beyond multiples of 8."""
        video = pixels[None] if pixels.ndim == 4 else pixels
        frames = (video.shape[1] - 1) // 4 * 4 + 1
        height, width = (side // 8 * 8 for side in video.shape[2:4])
        if frames < 1 or not height or not width:
            raise JoVAError(
                f"Got images of shape {list(pixels.shape)}; expected at least one of 8 x 8 px."
            )
        video = self._in(video[:, :frames, :height, :width, :3]).movedim(-1, 1)
        self._ready(video.numel() * 64)
        return self._out(self.first_stage_model.encode(video * 2 - 1))

    def decode(self, latent: Tensor, **_: Any) -> Tensor:
        """`[B, F, H, W, 3]`; ignores channels beyond the codec's."""
        latent = self._checked(latent)
        self._ready(latent[0, 0].numel() * self._WORK)
        clips = [self._pixels(self.first_stage_model.decode(clip[None])) for clip in latent]
        return torch.cat(clips)

    def decode_tiled(self, latent: Tensor, tile_t: int | None = None, **_: Any) -> Tensor:
        """As `decode`, in chunks of `tile_t` latent frames; equal to it, as the codec is causal."""
        latent = self._checked(latent)
        step = max(1, tile_t or 4)
        self._ready(latent[0, 0, :step].numel() * self._WORK)
        chunks = self.first_stage_model.decode_stream(latent.split(step, 2))
        return torch.cat([self._pixels(chunk) for chunk in chunks], dim=1)

    def encode_tiled(self, pixels: Tensor, **_: Any) -> Tensor:
        """As `encode`: videos of the mini's size need no tiles."""
        return self.encode(pixels)

    def _checked(self, latent: Tensor) -> Tensor:
        if latent.ndim != 5 or latent.shape[1] < self.latent_channels:
            raise JoVAError(
                f"Got a latent of shape {tuple(latent.shape)}; {self.first_stage_model.name} "
                f"expects [B, {self.latent_channels}, T, H/8, W/8]: connect the video stream of a "
                "JoVA latent."
            )
        return self._in(latent[:, : self.latent_channels])

    def _pixels(self, video: Tensor) -> Tensor:
        return self._out((video / 2 + 0.5).clamp(0, 1).movedim(1, -1))

    def spacial_compression_decode(self) -> int:
        """Pixels per latent cell, along each side."""
        return 8

    def spacial_compression_encode(self) -> int:
        """Pixels per latent cell, along each side."""
        return 8

    def temporal_compression_decode(self) -> int:
        """Frames per latent."""
        return 4


class AudioVAE(CodecVAE):
    """Samples `[B, N, C]` in -1 … 1 at the codec's rate ↔ raw latents `[B, 20, L]`."""

    latent_dim = 1

    @cached_property
    def audio_sample_rate(self) -> int:
        """Rate of both directions in Hz; core resamples to it before `encode`."""
        return self.first_stage_model.config.sample_rate

    def encode(self, wave: Tensor) -> Tensor:
        """Averages channels and pads the last latent with silence."""
        if wave.ndim != 3 or not wave.shape[1]:
            raise JoVAError(
                f"Got audio of shape {list(wave.shape)}; expected [B, N, C] with samples."
            )
        self._ready(wave.numel() * 64)
        return self._out(self.first_stage_model.encode(self._in(wave).mean(dim=2)))

    def decode(self, latent: Tensor, **_: Any) -> Tensor:
        """`[B, 512·L, 1]`."""
        if latent.ndim != 3 or latent.shape[1] != self.latent_channels:
            raise JoVAError(
                f"Got a latent of shape {tuple(latent.shape)}; {self.first_stage_model.name} "
                f"expects [B, {self.latent_channels}, L]: connect the audio stream of a JoVA "
                "latent."
            )
        self._ready(latent.numel() * 4096)
        return self._out(self.first_stage_model.decode(self._in(latent)))[..., None]

    def decode_tiled(
        self,
        latent: Tensor,
        tile_x: int | None = None,
        **_: Any,
    ) -> Tensor:
        """As `decode`, in seamless chunks of `tile_x` latents."""
        chunks = self.first_stage_model.decode_stream(self._in(latent), chunk=tile_x or 64)
        self._ready(latent[..., : tile_x or 64].numel() * 4096)
        return self._out(torch.cat(list(chunks), dim=1))[..., None]
