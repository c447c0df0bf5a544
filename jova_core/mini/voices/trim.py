"""An engine's raw sound made into an utterance: 16 kHz, no silence around it, one level."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .speech import SAMPLE_RATE, Phone, Speech

# Ours: below 1.2 % of the peak nothing is heard of speech; a closure before a first stop stays.
SILENCE_LEVEL = 0.012
WINDOW_SECONDS = 0.01
MARGIN_SECONDS, LONGEST_CLOSURE = 0.015, 0.06
FADE_SECONDS = 0.006
SHORTEST_PHONE = 0.02
# RMS and greatest peak: about -22 dBFS, which leaves room for what a clip's mix does later.
LEVEL, PEAK = 0.08, 0.9


def tidy(samples: np.ndarray, rate: int, phones: Sequence[Phone]) -> Speech:
    """Raw `samples` [N] at `rate` Hz and their phones, as one utterance whose phones fill it.

    Changed to 16 kHz below the new Nyquist frequency, silence cut, both ends faded, level set.
    """
    import torch

    from ...media.resample import resample

    raw = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    audio = resample(raw, rate, SAMPLE_RATE).numpy().astype(np.float64)
    begin, end = _spoken(audio, phones)
    cut = audio[begin:end]
    fade = min(round(FADE_SECONDS * SAMPLE_RATE), len(cut) // 2)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)
    cut[:fade] *= ramp
    cut[-fade:] *= ramp[::-1]
    cut *= min(LEVEL / np.sqrt(np.mean(cut**2)), PEAK / np.abs(cut).max())
    return Speech(
        samples=cut.astype(np.float32),
        phones=_shifted(phones, begin / SAMPLE_RATE, len(cut) / SAMPLE_RATE),
    )


def _spoken(audio: np.ndarray, phones: Sequence[Phone]) -> tuple[int, int]:
    """First and last sample of what is spoken, with a little around it."""
    width = round(WINDOW_SECONDS * SAMPLE_RATE)
    energy = np.convolve(audio**2, np.full(width, 1 / width), mode="same")
    loud = np.flatnonzero(np.sqrt(energy) > SILENCE_LEVEL * np.abs(audio).max())
    margin = round(MARGIN_SECONDS * SAMPLE_RATE)
    closure = round(LONGEST_CLOSURE * SAMPLE_RATE)
    first, last = int(loud[0]), int(loud[-1])
    begin = max(first - closure, min(first - margin, round(phones[0].start * SAMPLE_RATE)))
    end = max(last + margin, round((phones[-1].start + SHORTEST_PHONE) * SAMPLE_RATE))
    return max(0, begin), min(len(audio), end)


def _shifted(phones: Sequence[Phone], offset: float, seconds: float) -> tuple[Phone, ...]:
    """Phones `offset` seconds earlier, the first from 0 and the last to `seconds`."""
    moved = [
        replace(
            phone,
            start=min(max(phone.start - offset, 0.0), seconds),
            end=min(max(phone.end - offset, 0.0), seconds),
        )
        for phone in phones
    ]
    moved[0] = replace(moved[0], start=0.0)
    moved[-1] = replace(moved[-1], end=seconds)
    return tuple(moved)
