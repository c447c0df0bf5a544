"""How a voice sounds in figures: pitch, pace and brightness, from which its caption follows."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .cache import Plan, read_speech, speech_path
from .speech import SAMPLE_RATE, Speech

# Utterances of a voice that are enough for a median.
ENOUGH = 40
# Pitch by autocorrelation: 40 ms windows every 10 ms, periodic ones only. Ours.
WINDOW, HOP = 640, 160
LOWEST_HZ, HIGHEST_HZ = 60, 400
PERIODIC, QUIETEST_RMS = 0.6, 0.02
# The earliest peak nearly as high as the highest is the period, or pitch would be halved.
NEAR_HIGHEST = 0.9
LOW_BAND, HIGH_BAND = (100, 1000), (2000, 7000)


@dataclass(frozen=True, kw_only=True)
class VoiceFigures:
    """Utterances measured, median pitch in Hz, phones a second at tempo 1, brightness in dB."""

    utterances: int
    pitch: float
    pace: float
    brightness: float


def measure_voices(folder: Path, plan: Plan) -> dict[str, VoiceFigures]:
    """Figures of every voice from the first of its utterances that are in `folder`."""
    spoken: dict[str, list[tuple[Speech, float]]] = defaultdict(list)
    for key, utterance in plan.items():
        mine = spoken[utterance.voice]
        if len(mine) < ENOUGH and speech_path(folder, key).exists():
            mine.append((read_speech(folder, key), utterance.tempo))
    return {
        voice: VoiceFigures(
            utterances=len(mine),
            pitch=float(np.median(np.concatenate([pitches(speech.samples) for speech, _ in mine]))),
            pace=float(np.median([speech.pace / tempo for speech, tempo in mine])),
            brightness=float(np.median([brightness(speech.samples) for speech, _ in mine])),
        )
        for voice, mine in sorted(spoken.items())
        if mine
    }


def pitches(samples: np.ndarray) -> np.ndarray:
    """Pitch in Hz of every voiced window of `samples` [N] at 16 kHz; unvoiced ones are left out."""
    if len(samples) < WINDOW:
        return np.zeros(0)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    windows = windows[np.sqrt(np.mean(windows**2, axis=1)) > QUIETEST_RMS].astype(np.float64)
    power = np.abs(np.fft.rfft(windows - windows.mean(1, keepdims=True), 2 * WINDOW)) ** 2
    # Divided by the overlap, so that a steady tone repeats with 1 at every period.
    likeness = np.fft.irfft(power)[:, :WINDOW] / (1 - np.arange(WINDOW) / WINDOW)
    likeness /= likeness[:, :1]
    first, last = SAMPLE_RATE // HIGHEST_HZ, SAMPLE_RATE // LOWEST_HZ
    near = likeness[:, first - 1 : last + 1]
    middle = near[:, 1:-1]
    peaks = (middle >= near[:, :-2]) & (middle >= near[:, 2:])
    highest = np.where(peaks, middle, -1).max(axis=1, initial=-1)
    fitting = peaks & (middle >= NEAR_HIGHEST * highest[:, None])
    return SAMPLE_RATE / (first + fitting.argmax(axis=1))[highest > PERIODIC]


def brightness(samples: np.ndarray) -> float:
    """Energy of 2 to 7 kHz against 0.1 to 1 kHz in dB."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    low, high = (
        power[(frequencies >= band[0]) & (frequencies < band[1])].sum()
        for band in (LOW_BAND, HIGH_BAND)
    )
    return float(10 * np.log10(high / low))
