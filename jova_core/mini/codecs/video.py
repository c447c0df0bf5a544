"""The mini video codec: causal in time, 4 x 8 x 8 down, one latent for the first frame.

A linear path runs from pixels to latent to pixels and residual blocks refine it, so that flat
colours are right within seconds of training.

Inside, a clip is `[T*B, C, h, w]` with time outermost, so that a shift by one latent is a shift by
B rows and every convolution is an ordinary 2-D one. A clip is led by three copies of its first
frame; so each latent stands for exactly four frames and no layer needs a special case.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import JoVAError

TIME_STRIDE = 4
SPACE_STRIDE = 8
FINE_STRIDE = 4


@dataclass(frozen=True, kw_only=True)
class VideoCodecConfig:
    """Sizes of the mini video codec; 16 channels as Wan2.1, the widths are ours."""

    name: str = "jova-mini-video"  # what a checkpoint's config calls it
    latent_channels: int = 16
    width: int = 192
    hidden: int = 96
    fine_width: int = 48
    fine_blocks: int = 1  # on patches of 4 x 4 px, after the latents are unfolded
    # Channels of two last convolutions on single pixels, which see across the patches' borders; 0:
    # none.
    pixel_width: int = 0
    encoder_blocks: int = 3
    decoder_blocks: int = 4
    # Temporal mixing only in the first blocks of each half: three latents of context are enough.
    temporal_blocks: int = 2


class ChannelNorm(nn.Module):
    """RMS norm over the channels of `[N, C, h, w]`, with a learned gain."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return x scaled to unit mean square at each pixel, same shape."""
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6) * self.gain


class Block(nn.Module):
    """Residual block: 3x3 convolution, optionally the previous latent, then a pointwise one."""

    def __init__(self, channels: int, hidden: int, *, temporal: bool = False) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.spatial = nn.Conv2d(channels, hidden, 3, padding=1)
        self.previous = nn.Conv2d(channels, hidden, 1, bias=False) if temporal else None
        self.out = nn.Conv2d(hidden, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, cache: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Map x `[T*B, C, h, w]` and the last step's cache `[B, C, h, w]` to (y, new cache)."""
        h = F.silu(self.norm(x))
        y = self.spatial(h)
        if self.previous is not None and cache is not None:
            rows = cache.shape[0]
            y = y + self.previous(torch.cat([cache, h[:-rows]]))
            cache = h[-rows:]
        return x + self.out(F.silu(y)), cache


class PixelSmoothing(nn.Module):
    """Pictures from pictures and `width` more channels: a residual of two 3x3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3 + width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[N, 3 + width, H, W]` to `[N, 3, H, W]`."""
        x = x.contiguous(memory_format=torch.channels_last)
        return x[:, :3] + self.last(F.silu(self.first(x)))


class Encoder(nn.Module):
    """Frames `[T*B, 4, 3, H, W]` to latents `[T*B, C, H/8, W/8]`."""

    def __init__(self, config: VideoCodecConfig) -> None:
        super().__init__()
        fine, width = config.fine_width, config.width
        self.patch = nn.Conv2d(3, fine, FINE_STRIDE, stride=FINE_STRIDE)
        self.fold = nn.Conv2d(fine * 4 * TIME_STRIDE, width, 1)
        self.blocks = nn.ModuleList(
            Block(width, config.hidden, temporal=i < config.temporal_blocks)
            for i in range(config.encoder_blocks)
        )
        self.head = nn.Conv2d(width, config.latent_channels, 1)

    def gather(self, frames: Tensor) -> Tensor:
        """Gather the features of each block of 4 x 8 x 8 pixels: `[T*B, 16 * fine, H/8, W/8]`."""
        groups = frames.shape[0]
        x = self.patch(frames.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        # The four frames of a latent and each 2x2 of fine positions become channels.
        x = F.pixel_unshuffle(x, 2).unflatten(0, (groups, TIME_STRIDE)).flatten(1, 2)
        return x.contiguous(memory_format=torch.channels_last)

    def forward(self, frames: Tensor, batch: int) -> Tensor:
        """Encode a whole clip; nothing comes before its first latent."""
        x = self.fold(self.gather(frames))
        for block in self.blocks:
            x, _ = block(x, torch.zeros_like(x[:batch]))
        return self.head(x)


class Decoder(nn.Module):
    """Latents `[T*B, C, h, w]` to frames `[T*B, 4, 3, 8h, 8w]`, with a cache per temporal block."""

    def __init__(self, config: VideoCodecConfig) -> None:
        super().__init__()
        fine, width = config.fine_width, config.width
        self.config = config
        self.stem = nn.Conv2d(config.latent_channels, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            Block(width, config.hidden, temporal=i < config.temporal_blocks)
            for i in range(config.decoder_blocks)
        )
        self.unfold = nn.Conv2d(width, fine * 4 * TIME_STRIDE, 1)
        self.fine = Block(fine, fine)
        self.finer = nn.ModuleList(Block(fine, fine) for _ in range(config.fine_blocks - 1))
        wide = 3 + config.pixel_width
        self.pixels = nn.Conv2d(fine, wide * FINE_STRIDE**2, 3, padding=1)
        self.smooth = PixelSmoothing(config.pixel_width) if config.pixel_width else nn.Identity()

    def empty_caches(self, latent: Tensor, batch: int) -> list[Tensor]:
        """Return caches before the first latent: zeros `[B, width, h, w]` per temporal block."""
        shape = (batch, self.config.width, *latent.shape[-2:])
        count = min(self.config.temporal_blocks, self.config.decoder_blocks)
        empty = latent.new_zeros(shape).contiguous(memory_format=torch.channels_last)
        return [empty] * count

    def forward(self, latent: Tensor, caches: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Decode any run of latents that follows the run which left these caches."""
        x = self.stem(latent.contiguous(memory_format=torch.channels_last))
        left: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x, cache = block(x, caches[index] if index < len(caches) else None)
            if cache is not None:
                left.append(cache)
        x = self.unfold(x)
        x = x.unflatten(1, (TIME_STRIDE, -1)).flatten(0, 1)
        x = F.pixel_shuffle(x, 2).contiguous(memory_format=torch.channels_last)
        for block in (self.fine, *self.finer):
            x, _ = block(x)
        x = self.smooth(F.pixel_shuffle(self.pixels(x), FINE_STRIDE))
        return x.unflatten(0, (-1, TIME_STRIDE)), left


class MiniVideoCodec(nn.Module):
    """Video `[B, 3, F, H, W]` in [-1, 1], F = 4(T-1)+1, to and from `[B, 16, T, H/8, W/8]`.

    Latent j sees frames up to 4j only and a decoded frame sees the latents up to its own only.
    H and W are any multiples of 8; F = 1 is an image.
    """

    def __init__(self, config: VideoCodecConfig | None = None) -> None:
        super().__init__()
        self.config = config or VideoCodecConfig()
        self.name = self.config.name
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)
        self.to(memory_format=torch.channels_last)

    def arguments(self) -> dict[str, int | str]:
        """Return the configuration as plain JSON values."""
        return asdict(self.config)

    def encode(self, video: Tensor) -> Tensor:
        """Encode `[B, 3, F, H, W]` in [-1, 1] to `[B, C, T, H/8, W/8]`."""
        _check_video(video)
        batch = video.shape[0]
        latent = self.encoder(frame_groups(video), batch)
        return latent.unflatten(0, (-1, batch)).permute(1, 2, 0, 3, 4).contiguous()

    def decode(self, latent: Tensor) -> Tensor:
        """Decode `[B, C, T, h, w]` to `[B, 3, 4(T-1)+1, 8h, 8w]`, clamped to [-1, 1] in use."""
        self._check_latent(latent)
        caches = self.decoder.empty_caches(latent, latent.shape[0])
        return self._decode_run(latent, caches)[0][:, :, TIME_STRIDE - 1 :]

    def decode_stream(self, latent: Tensor | Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the frames of each latent as it comes: first `[B, 3, 1, H, W]`, then 4 frames each.

        `latent` is `[B, C, T, h, w]`, or any iterable of `[B, C, n, h, w]` runs.
        """
        runs = latent.split(1, 2) if isinstance(latent, Tensor) else latent
        caches: list[Tensor] | None = None
        for run in runs:
            self._check_latent(run)
            first = caches is None
            if caches is None:
                caches = self.decoder.empty_caches(run, run.shape[0])
            video, caches = self._decode_run(run, caches)
            yield video[:, :, TIME_STRIDE - 1 :] if first else video

    def _decode_run(self, latent: Tensor, caches: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        batch = latent.shape[0]
        frames, caches = self.decoder(latent.permute(2, 0, 1, 3, 4).flatten(0, 1), caches)
        video = frames.unflatten(0, (-1, batch)).permute(1, 3, 0, 2, 4, 5).flatten(2, 3)
        return video if self.training else video.clamp(-1, 1), caches

    def _check_latent(self, latent: Tensor) -> None:
        if latent.ndim != 5 or latent.shape[1] != self.config.latent_channels:
            raise JoVAError(
                f"Got video latents of shape {list(latent.shape)}; expected "
                f"[B, {self.config.latent_channels}, T, h, w], the latents of this codec."
            )


def frame_groups(video: Tensor) -> Tensor:
    """Cut `[B, 3, F, H, W]` into the four frames of each latent `[T*B, 4, 3, H, W]`."""
    lead = video[:, :, :1].expand(-1, -1, TIME_STRIDE - 1, -1, -1)
    groups = torch.cat([lead, video], 2).unflatten(2, (-1, TIME_STRIDE))
    return groups.permute(2, 0, 3, 1, 4, 5).flatten(0, 1)


def _check_video(video: Tensor) -> None:
    """Raise JoVAError unless video is `[B, 3, 4(T-1)+1, 8h, 8w]`."""
    shape = list(video.shape)
    if len(shape) != 5 or shape[1] != 3:
        raise JoVAError(f"Got a video of shape {shape}; expected [B, 3, F, H, W].")
    frames, height, width = shape[2:]
    if frames % TIME_STRIDE != 1:
        raise JoVAError(f"Got {frames} frames; expected 4n + 1 (1, 5, 9, ...).")
    if height % SPACE_STRIDE or width % SPACE_STRIDE or not height or not width:
        raise JoVAError(f"Got {height} x {width} pixels; expected multiples of 8.")
