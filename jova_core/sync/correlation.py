"""Lip-sync as numbers: speech envelope, correlation of lips and loudness, offset.

Legend: F video frames, N audio samples.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from ..errors import JoVAError
from ..mouth.landmarks import LipTrack

SILENCE_POWER = 1e-6  # of full scale: -60 dBFS
LOUDNESS_EXPONENT = 0.3  # loudness in sones over power, Stevens' law
MIN_FRAMES = 8  # with fewer common frames a correlation means nothing
FLAT = 1e-4  # standard deviation in pixels or loudness of a constant track, at most


@dataclass(frozen=True, kw_only=True)
class SyncReport:
    """Sync of one clip; NaN for a constant or silent track, or without a face."""

    opening: float  # correlation of inner-lip opening and speech envelope, no shift
    width: float  # the same for the distance of the mouth corners
    offset_frames: int | None  # shift with the best correlation; positive: audio comes later
    offset_correlation: float  # the correlation there
    face_share: float  # share of the frames with a face


def speech_envelope(
    waveform: Tensor, sample_rate: int, fps: Fraction | float, frames: int
) -> Tensor:
    """Loudness [F] of mono audio [N], one value per video frame: 0 up to -60 dBFS, 1 at 0 dBFS.

    Frame i is the power of the samples within [i, i + 1) / fps, smoothed over time with weights
    1, 2, 1, to Stevens' exponent 0.3. Missing audio and NaN count as silence. JoVAError if the
    audio is not [N].
    """
    if waveform.ndim != 1:
        raise JoVAError(f"Got audio of shape {list(waveform.shape)}; expected mono audio [N].")
    step = Fraction(sample_rate) / Fraction(fps)
    edges = [round(i * step) for i in range(frames + 1)]
    power = torch.zeros(edges[-1] + 1, dtype=torch.float64)
    squares = torch.nan_to_num(waveform[: edges[-1]].double()).square()
    power[1 : len(squares) + 1] = squares
    total = power.cumsum(0)[edges]
    mean = total.diff() / torch.tensor(edges).diff()
    padded = torch.cat([mean[:1], mean, mean[-1:]])
    smooth = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    floor = SILENCE_POWER**LOUDNESS_EXPONENT
    return ((smooth**LOUDNESS_EXPONENT - floor) / (1 - floor)).clamp(min=0)


def zero_lag_correlation(first: Tensor, second: Tensor) -> float:
    """Pearson correlation of two tracks [F] over the frames with both.

    NaN if either is constant there or fewer than 8 frames are left.
    """
    a, b = first.double(), second.double()
    both = torch.isfinite(a) & torch.isfinite(b)
    a, b = a[both], b[both]
    if len(a) < MIN_FRAMES or float(a.std()) < FLAT or float(b.std()) < FLAT:
        return math.nan
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (a.norm() * b.norm()))


def best_offset(lips: Tensor, envelope: Tensor, max_frames: int = 8) -> tuple[int | None, float]:
    """Shift k in frames where lips[i] and envelope[i + k] correlate best, and that correlation.

    Positive means that the audio comes later than the picture, negative that it comes earlier; of
    equally good shifts the smallest counts. (None, NaN) if no shift gives a correlation.
    """
    best: tuple[int | None, float] = (None, math.nan)
    for shift in sorted(range(-max_frames, max_frames + 1), key=abs):
        mouth, voice = _shifted(lips, envelope, shift)
        value = zero_lag_correlation(mouth, voice)
        if not math.isnan(value) and (best[0] is None or value > best[1]):
            best = (shift, value)
    return best


def sync_report(track: LipTrack, envelope: Tensor, *, max_frames: int = 8) -> SyncReport:
    """Correlations and offset of a clip's lips with its own voice envelope [F]."""
    offset, there = best_offset(track.opening, envelope, max_frames)
    return SyncReport(
        opening=zero_lag_correlation(track.opening, envelope),
        width=zero_lag_correlation(track.width, envelope),
        offset_frames=offset,
        offset_correlation=there,
        face_share=float(track.found.float().mean()),
    )


def _shifted(lips: Tensor, envelope: Tensor, shift: int) -> tuple[Tensor, Tensor]:
    if shift >= 0:
        return lips[: max(0, len(lips) - shift)], envelope[shift:]
    return lips[-shift:], envelope[:shift]
