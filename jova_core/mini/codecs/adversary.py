"""A critic for the vocoder: small networks that tell made spectra and waves from real ones.

The multi-resolution discriminator of UnivNet (arXiv 2106.07889) and Vocos, on complex spectra, and
HiFi-GAN's multi-period discriminator (arXiv 2010.05646), with the latter's least-squares losses and
feature matching; the sizes are ours.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from .mel import spectrum

RESOLUTIONS = ((256, 64), (512, 128), (1024, 256))
PERIODS = (2, 3, 5, 7, 11)
WIDTH = 16
# Magnitudes to this power: soft parts are heard too.
COMPRESSION = 0.3
ADVERSARIAL_WEIGHT, MATCHING_WEIGHT = 0.3, 0.6
# It judges the middle of some waves of a batch: judging all costs ten times a codec's own step.
ROWS, SAMPLES = 6, 8192


class SpectrumCritic(nn.Module):
    """Judges patches of the complex spectrum of one window size."""

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        shapes = [(2, 2), (WIDTH, 2), (2 * WIDTH, 2), (2 * WIDTH, 2)]
        widths = [WIDTH, 2 * WIDTH, 2 * WIDTH, 2 * WIDTH]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(into, out, (5, 3), (stride, 1), (2, 1)))
            for (into, stride), out in zip(shapes, widths, strict=True)
        )
        self.last = weight_norm(nn.Conv2d(2 * WIDTH, 1, 3, padding=1))

    def forward(self, wave: Tensor) -> list[Tensor]:
        """Features of each layer for `[B, N]`, the verdict `[B, 1, bins, M]` last."""
        parts = torch.view_as_real(spectrum(wave, self.n_fft, self.hop)).movedim(-1, 1)
        size = (parts.square().sum(1, keepdim=True) + 1e-6).sqrt()
        x = parts * size ** (COMPRESSION - 1)
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
            features.append(x)
        return [*features, self.last(x)]


class PeriodCritic(nn.Module):
    """Judges a wave folded into columns of every so many samples: pitch, and what buzzes."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, WIDTH, 2 * WIDTH, 4 * WIDTH, 4 * WIDTH]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(into, out, (5, 1), (3, 1), (2, 0)))
            for into, out in pairwise(widths)
        )
        self.last = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wave: Tensor) -> list[Tensor]:
        """Features of each layer for `[B, N]`, the verdict `[B, 1, M, period]` last."""
        padded = F.pad(wave, (0, -wave.shape[1] % self.period))
        x = padded.unflatten(1, (-1, self.period))[:, None]
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
            features.append(x)
        return [*features, self.last(x)]


class Critic:
    """The discriminators of all window sizes and periods, and their optimiser."""

    def __init__(self, seed: int, learning_rate: float = 3e-4) -> None:
        torch.manual_seed(seed)
        spectra = [SpectrumCritic(*sizes) for sizes in RESOLUTIONS]
        self.parts = nn.ModuleList([*spectra, *map(PeriodCritic, PERIODS)])
        self.optimizer = torch.optim.AdamW(
            self.parts.parameters(), lr=learning_rate, betas=(0.8, 0.99)
        )

    def loss(self, made: Tensor, real: Tensor) -> Tensor:
        """What the codec minimises for made and real waves `[B, N]`: looking real, layer by layer.

        A scalar; gradients reach `made` only.
        """
        self.parts.requires_grad_(False)
        made, real = _middle(made), _middle(real)
        total = made.new_zeros(())
        for part in self.parts:
            *features, verdict = part(made)
            with torch.no_grad():
                *wanted, _ = part(real)
            pairs = zip(features, wanted, strict=True)
            matching = sum((a - b).abs().mean() / (b.abs().mean() + 1e-3) for a, b in pairs)
            total = total + ADVERSARIAL_WEIGHT * (verdict - 1).square().mean()
            total = total + MATCHING_WEIGHT * matching / len(features)
        return total / len(self.parts)

    def learn(self, made: Tensor, real: Tensor) -> float:
        """One step of the discriminators; returns their loss, 0.5 where they cannot tell."""
        self.parts.requires_grad_(True)
        made, real = _middle(made), _middle(real)
        loss = torch.zeros(())
        for part in self.parts:
            loss = loss + (part(real)[-1] - 1).square().mean()
            loss = loss + part(made.detach())[-1].square().mean()
        loss = loss / len(self.parts)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parts.parameters(), 1.0)
        self.optimizer.step()
        return float(loss.detach())


def _middle(wave: Tensor) -> Tensor:
    """The part of `[B, N]` that is judged, `[up to ROWS, up to SAMPLES]`."""
    start = max(0, wave.shape[1] - SAMPLES) // 2
    return wave[:ROWS, start : start + SAMPLES]
