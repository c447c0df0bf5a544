"""Features of a speaker: the pitch and the mean cepstrum of the voiced frames.

Legend: N samples, M frames, K cepstral coefficients.
"""

import math

import torch
from torch import Tensor

from ...errors import JoVAError
from ..codecs.mel import log_mel, magnitude
from .features import SAMPLE_RATE

WINDOW, HOP, BANDS = 1024, 256, 40
# Hz, of a speaking voice; below lies the 62.5 Hz with which a vocoder of 256-sample frames repeats.
LOWEST, HIGHEST = 66.0, 420.0
VOICED = 0.4  # height of the autocorrelation's peak, of its value at lag 0
QUIET = 0.1  # of the loudest frame's RMS
COEFFICIENTS = 13


def speaker_features(wave: Tensor) -> Tensor:
    """[1 + K] of a mono wave [N] at 16 kHz: log2 of the median pitch in Hz, then the mean MFCC 1…K.

    Coefficient 0, the loudness, is left out. JoVAError where nothing is voiced.
    """
    # Of one loudness, since the logarithm of the mel bands has a floor.
    wave = 0.1 * wave / wave.square().mean().sqrt().clamp(min=1e-6)
    pitch, voiced = pitch_track(wave)
    if not voiced.any():
        raise JoVAError("No voice was found in the sound; give a recording of speech.")
    mel = log_mel(magnitude(wave[None], WINDOW, HOP), SAMPLE_RATE, BANDS)[0]
    count = min(mel.shape[1], len(voiced))
    cepstrum = _cosines(BANDS) @ mel[:, :count]
    mean = cepstrum[:, voiced[:count]].mean(dim=1)
    return torch.cat([pitch[voiced].median().log2()[None], mean])


def pitch_track(wave: Tensor) -> tuple[Tensor, Tensor]:
    """Pitch in Hz [M] and whether the frame is voiced [M], by normalised autocorrelation."""
    padded = torch.nn.functional.pad(wave.double(), (0, max(0, WINDOW - len(wave))))
    frames = padded.unfold(0, WINDOW, HOP)
    frames = frames - frames.mean(dim=1, keepdim=True)
    power = torch.fft.rfft(frames * torch.hann_window(WINDOW).double(), 2 * WINDOW).abs().square()
    correlation = torch.fft.irfft(power)[:, :WINDOW]
    # A window's own autocorrelation falls with the lag; without it low voices would look unvoiced.
    spectrum = torch.fft.rfft(torch.hann_window(WINDOW).double(), 2 * WINDOW).abs().square()
    taper = torch.fft.irfft(spectrum)[:WINDOW]
    height = correlation / correlation[:, :1].clamp(min=1e-9) / (taper / taper[0]).clamp(min=0.05)
    shortest, longest = math.ceil(SAMPLE_RATE / HIGHEST), math.floor(SAMPLE_RATE / LOWEST)
    part = height[:, shortest : longest + 1]
    best = part.amax(dim=1)
    # The first lag that is nearly the best: multiples of a period are as high as the period.
    lag = (part >= 0.9 * best[:, None]).double().argmax(dim=1)
    rise = part.gather(1, (lag[:, None] + torch.arange(6)).clamp(max=part.shape[1] - 1))
    lag = lag + rise.argmax(dim=1) + shortest
    loud = frames.square().mean(dim=1).sqrt()
    return SAMPLE_RATE / lag.float(), (best > VOICED) & (loud > QUIET * loud.max())


def nearest(features: Tensor, centroids: dict[str, Tensor], spread: Tensor) -> str:
    """The speaker whose centroid is nearest, each feature divided by its spread between clips."""
    return min(centroids, key=lambda name: float(((features - centroids[name]) / spread).norm()))


def _cosines(bands: int) -> Tensor:
    """Rows 1…K of the orthonormal discrete cosine transform [K, bands]."""
    k = torch.arange(1, COEFFICIENTS + 1)[:, None]
    n = torch.arange(bands)[None]
    return math.sqrt(2 / bands) * torch.cos(math.pi * k * (2 * n + 1) / (2 * bands))
