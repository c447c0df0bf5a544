"""Input of the judges of audio: log-mel features of a wave, and their augmentation.

Legend: B batch, N samples, M mel bands, L feature frames (62.5 per second).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..codecs.mel import LOG_FLOOR, log_mel, magnitude

SAMPLE_RATE = 16_000
HOP = 256
N_FFT = 1024
BANDS = 80


def features(waves: Tensor) -> Tensor:
    """Log-mel features [B, 80, ceil(N / 256)] of waves [B, N] at 16 kHz; NaN counts as silence."""
    waves = torch.nan_to_num(waves.float(), nan=0.0, posinf=1.0, neginf=-1.0).clamp(-1, 1)
    waves = F.pad(waves, (0, -waves.shape[1] % HOP))
    return log_mel(magnitude(waves, N_FFT, HOP), SAMPLE_RATE, BANDS)


def augmented(mels: Tensor, generator: torch.Generator, *, warp: float = 1.0) -> Tensor:
    """Features [B, M, L] as another room, microphone and codec would give them.

    Speed (12 %) and pitch (3 %, both times `warp`), gain, spectral tilt, blur, grain and noise,
    each in an amount drawn for every clip.
    """
    mels = _warped(mels, generator, warp)
    mels = _blurred(mels, generator)
    count, bands, _ = mels.shape
    slope = torch.linspace(-1, 1, bands)[None, :, None]
    gain = _uniform(count, -0.8, 0.8, generator) + _uniform(count, -0.8, 0.8, generator) * slope
    grain = torch.randn(mels.shape, generator=generator)
    mels = mels + gain + _uniform(count, 0.0, 0.35, generator) * grain
    hiss = torch.randn(mels.shape, generator=generator) * 0.4
    level = _uniform(count, -6.0, -1.0, generator) + _uniform(count, -1.0, 1.0, generator) * slope
    return torch.logaddexp(mels, hiss + level).clamp(min=torch.tensor(LOG_FLOOR).log())


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, 1, 1, generator=generator)


def _warped(mels: Tensor, generator: torch.Generator, warp: float) -> Tensor:
    count = len(mels)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = 1 + warp * _uniform(count, -0.12, 0.12, generator)[:, 0, 0]
    theta[:, 1, 1] = 1 + warp * _uniform(count, -0.03, 0.03, generator)[:, 0, 0]
    grid = F.affine_grid(theta, [count, 1, *mels.shape[1:]], align_corners=False)
    return F.grid_sample(mels[:, None], grid, padding_mode="border", align_corners=False)[:, 0]


def _blurred(mels: Tensor, generator: torch.Generator) -> Tensor:
    padded = F.pad(mels[:, None], (2, 2, 1, 1), mode="replicate")[:, 0]
    soft = F.avg_pool2d(padded, (3, 5), stride=1)
    return torch.lerp(mels, soft, _uniform(len(mels), 0.0, 0.8, generator))
