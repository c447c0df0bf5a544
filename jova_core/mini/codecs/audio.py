"""The mini audio codec: log-mel in, 20 channels at 31.25 Hz, and a small learned vocoder out.

The vocoder predicts magnitude and phase of a short-time spectrum and inverts it, as Vocos does.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import JoVAError
from .mel import LOG_FLOOR, inverse_spectrum, log_mel, magnitude

# Natural-log units per unit of the encoder's input, and the level of an untrained head.
FEATURE_SCALE = 3.0
LEVEL_OFFSET = -3.0


@dataclass(frozen=True, kw_only=True)
class AudioCodecConfig:
    """Sizes of the mini audio codec; rate and channels as MMAudio 16 kHz, the widths are ours."""

    name: str = "jova-mini-audio"  # what a checkpoint's config calls it
    latent_channels: int = 20
    sample_rate: int = 16000
    hop: int = 256
    n_fft: int = 1024
    mel_bands: int = 80
    encoder_width: int = 96
    encoder_blocks: int = 3
    decoder_width: int = 160
    decoder_blocks: int = 5
    expansion: int = 3
    kernel: int = 7


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, channel norm, two pointwise layers, scaled residual."""

    def __init__(self, width: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(width, width, (1, kernel), padding=(0, kernel // 2), groups=width)
        self.norm_gain = nn.Parameter(torch.ones(width, 1, 1))
        self.up = nn.Conv2d(width, width * expansion, 1)
        self.down = nn.Conv2d(width * expansion, width, 1)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)
        self.scale = nn.Parameter(torch.full((width, 1, 1), 0.2))

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, width, 1, M]` to the same shape."""
        h = self.depth(x)
        h = h * torch.rsqrt(h.square().mean(1, keepdim=True) + 1e-6) * self.norm_gain
        return x + self.scale * self.down(F.gelu(self.up(h), approximate="tanh"))


class MiniAudioCodec(nn.Module):
    """Mono 16 kHz audio `[B, N]` in [-1, 1] to and from latents `[B, 20, ceil(N / 512)]`."""

    def __init__(self, config: AudioCodecConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or AudioCodecConfig()
        self.name = config.name
        narrow, wide = config.encoder_width, config.decoder_width
        bins = config.n_fft // 2 + 1
        # 2-D layers of height 1: oneDNN's channels-last 2-D convolutions are fast on a CPU.
        self.encoder = nn.Sequential(
            nn.Conv2d(config.mel_bands, narrow, (1, 3), padding=(0, 1)),
            *(self._block(narrow) for _ in range(config.encoder_blocks)),
            nn.Conv2d(narrow, config.latent_channels, (1, 2), stride=(1, 2)),
        )
        self.stem = nn.Conv2d(config.latent_channels, 2 * wide, (1, 3), padding=(0, 1))
        self.decoder = nn.Sequential(*(self._block(wide) for _ in range(config.decoder_blocks)))
        self.head = nn.Conv2d(wide, 2 * bins, 1)
        self.to(memory_format=torch.channels_last)

    def _block(self, width: int) -> ConvNeXtBlock:
        return ConvNeXtBlock(width, self.config.kernel, self.config.expansion)

    @property
    def samples_per_latent(self) -> int:
        """Audio samples of one latent: 512."""
        return 2 * self.config.hop

    @property
    def context(self) -> int:
        """Number of latents on either side with an effect on a latent's samples."""
        frames = self.config.decoder_blocks * (self.config.kernel // 2)
        overlap = self.config.n_fft // self.config.hop
        return 1 + -(-(frames + overlap) // 2) + 1

    def arguments(self) -> dict[str, int | str]:
        """Return the configuration as plain JSON values."""
        return asdict(self.config)

    def encode(self, wave: Tensor) -> Tensor:
        """Encode `[B, N]` to `[B, 20, ceil(N / 512)]`; the tail is filled up with silence."""
        if wave.ndim != 2 or not wave.shape[1]:
            raise JoVAError(f"Got audio of shape {list(wave.shape)}; expected mono [B, N].")
        x = self.features(F.pad(wave, (0, -wave.shape[1] % self.samples_per_latent)))
        return self.encoder(x[:, :, None].contiguous(memory_format=torch.channels_last))[:, :, 0]

    def features(self, wave: Tensor) -> Tensor:
        """Return log-mel bands `[B, mel_bands, N / hop]`: silence is 0, a loud vowel about 2.5."""
        config = self.config
        sizes = magnitude(wave, config.n_fft, config.hop)
        bands = log_mel(sizes, config.sample_rate, config.mel_bands)
        return (bands - math.log(LOG_FLOOR)) / FEATURE_SCALE

    def decode(self, latent: Tensor) -> Tensor:
        """Decode `[B, 20, L]` to the wave `[B, 512 L]`."""
        config = self.config
        if latent.ndim != 3 or latent.shape[1] != config.latent_channels:
            raise JoVAError(
                f"Got audio latents of shape {list(latent.shape)}; expected "
                f"[B, {config.latent_channels}, L], the latents of this codec."
            )
        x = self.stem(latent[:, :, None].contiguous(memory_format=torch.channels_last))
        # Two spectrum frames per latent: [B, 2w, 1, L] -> [B, w, 1, 2L].
        x = x.unflatten(1, (2, -1)).permute(0, 2, 3, 4, 1).flatten(3)
        x = self.decoder(x.contiguous(memory_format=torch.channels_last))
        level, angle = self.head(x)[:, :, 0].float().chunk(2, 1)
        # exp(6) is above the largest magnitude of full-scale audio at this window. Levels under
        # the floor of the logarithms were never trained and must be silence.
        size = (level + LEVEL_OFFSET).clamp(max=6).exp() - LOG_FLOOR
        size = size.clamp(min=0)
        # Half a turn per bin puts phase 0 at the window's centre, so that a pulse there is smooth.
        turn = math.pi * torch.arange(angle.shape[1], device=angle.device)[:, None]
        return inverse_spectrum(torch.polar(size, angle + turn), config.hop)

    def decode_stream(
        self, latent: Tensor | Iterable[Tensor], *, chunk: int = 16
    ) -> Iterator[Tensor]:
        """Yield the wave in chunks of up to 512 * chunk samples; joined, they equal `decode`.

        `latent` is `[B, 20, L]` or an iterable of `[B, 20, n]` runs; the output lags by `context`.
        """
        runs = iter([latent] if isinstance(latent, Tensor) else latent)
        buffer, done, ended = next(runs, None), 0, False
        if buffer is None:
            return
        while True:
            while not ended and buffer.shape[2] < done + chunk + self.context:
                run = next(runs, None)
                ended = run is None
                buffer = buffer if run is None else torch.cat([buffer, run], 2)
            take = min(chunk, buffer.shape[2] - done)
            if take <= 0:
                return
            wave = self.decode(buffer[:, :, : done + take + self.context])
            size = self.samples_per_latent
            yield wave[:, done * size : (done + take) * size]
            # Only the context before the next chunk stays.
            drop = max(0, done + take - self.context)
            buffer, done = buffer[:, :, drop:], done + take - drop
