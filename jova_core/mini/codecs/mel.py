"""Log-mel spectrograms in plain torch: short-time magnitude, mel filters, overlap-add."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Amplitude floor of every logarithm: about -80 dB below a full-scale tone, well under speech.
LOG_FLOOR = 1e-2


def mel_filters(sample_rate: int, n_fft: int, bands: int) -> Tensor:
    """Return `[bands, n_fft/2 + 1]` triangles in equal steps of O'Shaughnessy's mel scale."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2) / 2595) - 1)
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = torch.minimum(rising, falling).clamp(min=0)
    return filters / filters.sum(1, keepdim=True).clamp(min=1e-6)


def spectrum(wave: Tensor, n_fft: int, hop: int) -> Tensor:
    """Return the complex spectrum `[B, n_fft/2 + 1, N/hop]` of `[B, N]`; frame i is centred on
    sample (i + 1/2) hop, beyond the ends there is silence."""
    side = (n_fft - hop) // 2
    padded = F.pad(wave, (side, side))
    window = torch.hann_window(n_fft).to(wave)
    return torch.stft(padded, n_fft, hop, window=window, center=False, return_complex=True)


def magnitude(wave: Tensor, n_fft: int, hop: int) -> Tensor:
    """Return the magnitudes `[B, n_fft/2 + 1, N/hop]`, with a finite gradient in silence."""
    value = torch.view_as_real(spectrum(wave, n_fft, hop))
    return (value.square().sum(-1) + 1e-9).sqrt()


def log_mel(magnitudes: Tensor, sample_rate: int, bands: int) -> Tensor:
    """Return natural-log mel bands `[B, bands, M]` of magnitudes `[B, n_fft/2 + 1, M]`."""
    filters = mel_filters(sample_rate, 2 * (magnitudes.shape[1] - 1), bands).to(magnitudes)
    return (filters @ magnitudes).clamp(min=LOG_FLOOR).log()


def inverse_spectrum(values: Tensor, hop: int) -> Tensor:
    """Turn `[B, n_fft/2 + 1, M]` complex into a wave `[B, M*hop]`, the inverse of `spectrum`."""
    n_fft, frames = 2 * (values.shape[1] - 1), values.shape[2]
    window = torch.hann_window(n_fft).to(values.real)
    waves = torch.fft.irfft(values, n=n_fft, dim=1) * window[:, None]
    length = (frames - 1) * hop + n_fft
    energy = window.square()[None, :, None].expand(1, -1, frames).contiguous()
    total, weight = (
        F.fold(part, (1, length), (1, n_fft), stride=(1, hop))[:, 0, 0] for part in (waves, energy)
    )
    side = (n_fft - hop) // 2
    return (total / weight.clamp(min=1e-3))[:, side : side + frames * hop]
