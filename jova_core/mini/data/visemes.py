"""From phonemes and loudness to the drawn mouth, one shape per video frame."""

from dataclasses import dataclass

import numpy as np

from .speech import SAMPLE_RATE, Phoneme, loudness

# The mouth follows its phonemes through a window of this length, as real lips do.
COARTICULATION_SECONDS = 0.06
GRID_RATE = 400
LIPS_TOGETHER = frozenset("mbp")


@dataclass(frozen=True, kw_only=True)
class MouthShape:
    """A mouth: opening, width, teeth, tongue and bite in 0..1; width 0.5 is the mouth at rest."""

    opening: float
    width: float
    teeth: float = 0.0
    tongue: float = 0.0
    bite: float = 0.0


CLOSED = MouthShape(opening=0.0, width=0.5)
SMALL = MouthShape(opening=0.24, width=0.5, teeth=0.7)
OPEN = MouthShape(opening=1.0, width=0.58, teeth=0.5, tongue=0.5)
HALF = MouthShape(opening=0.6, width=0.55, teeth=0.5, tongue=0.2)
WIDE = MouthShape(opening=0.45, width=1.0, teeth=1.0)
SPREAD = MouthShape(opening=0.62, width=0.85, teeth=0.8, tongue=0.2)
ROUND = MouthShape(opening=0.62, width=0.0)
ROUND_OPEN = MouthShape(opening=0.9, width=0.18, tongue=0.2)
PUCKER = MouthShape(opening=0.34, width=0.0)
HISS = MouthShape(opening=0.2, width=0.72, teeth=1.0)
BITE = MouthShape(opening=0.2, width=0.5, teeth=1.0, bite=1.0)
TONGUE = MouthShape(opening=0.44, width=0.52, teeth=0.3, tongue=1.0)

# espeak-ng's names of the phonemes of American English; a diphthong moves between two shapes.
SHAPES: dict[str, tuple[MouthShape, ...]] = {
    **dict.fromkeys(("m", "b", "p"), (CLOSED,)),
    **dict.fromkeys(("f", "v"), (BITE,)),
    **dict.fromkeys(("T", "D", "l", "@L"), (TONGUE,)),
    **dict.fromkeys(("n", "t", "d", "k", "g", "N", "h", "t#", "x", "?"), (SMALL,)),
    **dict.fromkeys(("s", "z"), (HISS,)),
    **dict.fromkeys(("w", "S", "Z", "tS", "dZ", "r", "r-"), (PUCKER,)),
    **dict.fromkeys(("i", "i:", "j", "I", "I2"), (WIDE,)),
    **dict.fromkeys(("E", "e", "e@"), (SPREAD,)),
    **dict.fromkeys(("a", "A", "A:", "A@", "0", "aa", "a#"), (OPEN,)),
    **dict.fromkeys(("@", "V", "3", "3:", "@2"), (HALF,)),
    **dict.fromkeys(("u:", "u", "U", "U@"), (ROUND,)),
    **dict.fromkeys(("O:", "O", "O@", "o@", "o"), (ROUND_OPEN,)),
    "aI": (OPEN, WIDE),
    "aI@": (OPEN, WIDE, HALF),
    "aU": (OPEN, ROUND),
    "eI": (SPREAD, WIDE),
    "OI": (ROUND_OPEN, WIDE),
    "oU": (ROUND_OPEN, ROUND),
    "i@": (WIDE, HALF),
}


@dataclass(frozen=True, kw_only=True)
class MouthTrack:
    """The mouth in every frame, each float64 [F] in 0..1, and the loudness it followed."""

    opening: np.ndarray
    width: np.ndarray
    teeth: np.ndarray
    tongue: np.ndarray
    bite: np.ndarray
    loudness: np.ndarray


def shapes_of(phoneme: str) -> tuple[MouthShape, ...]:
    """The shapes that a phoneme passes through; an unknown one is a half open mouth."""
    return SHAPES.get(phoneme, SHAPES.get(phoneme[:1], (HALF,)))


def frame_times(frames: int, fps: int) -> np.ndarray:
    """The time in seconds that each frame shows: the middle of its interval."""
    return (np.arange(frames) + 0.5) / fps


def mouth_track(phonemes: list[Phoneme], samples: np.ndarray, frames: int, fps: int) -> MouthTrack:
    """The mouth for phonemes (seconds in the clip) and samples [N] at 16 kHz, for every frame.

    Lips are exactly closed in every frame outside the phonemes, in every frame whose middle lies
    in m, b or p and in the frame that holds the middle of m, b or p.
    """
    times = np.arange(round(frames / fps * GRID_RATE)) / GRID_RATE
    fields = ("opening", "width", "teeth", "tongue", "bite")
    targets = {field: np.full(len(times), getattr(CLOSED, field)) for field in fields}
    for phoneme in phonemes:
        shapes = shapes_of(phoneme.name)
        edges = np.linspace(phoneme.start, phoneme.end, len(shapes) + 1)
        for shape, start, end in zip(shapes, edges[:-1], edges[1:], strict=True):
            inside = slice(round(start * GRID_RATE), round(end * GRID_RATE))
            for field in fields:
                targets[field][inside] = getattr(shape, field)
    window = np.hanning(round(COARTICULATION_SECONDS * 2 * GRID_RATE) + 1)
    window /= window.sum()
    shown = frame_times(frames, fps)
    half = len(window) // 2
    smooth = {
        field: np.interp(
            shown, times, np.convolve(np.pad(values, half, mode="edge"), window, "valid")
        )
        for field, values in targets.items()
    }
    level = frame_loudness(samples, frames, fps)
    # A quiet vowel still opens a little: the shape must stay readable.
    smooth["opening"] *= 0.35 + 0.65 * np.minimum(level, 1.15)
    smooth["opening"][_closed_frames(phonemes, frames, fps)] = 0.0
    return MouthTrack(**smooth, loudness=level)


def frame_loudness(samples: np.ndarray, frames: int, fps: int) -> np.ndarray:
    """Loudness [F] around each frame's middle, 1 = the loud parts of the clip."""
    envelope = loudness(samples, 0.05)
    centres = np.round(frame_times(frames, fps) * SAMPLE_RATE).astype(int)
    speaking = envelope[envelope > 0.1 * envelope.max()] if envelope.max() > 0 else envelope + 1
    return envelope[np.clip(centres, 0, len(envelope) - 1)] / np.percentile(speaking, 80)


def _closed_frames(phonemes: list[Phoneme], frames: int, fps: int) -> np.ndarray:
    shown = frame_times(frames, fps)
    closed = np.ones(frames, dtype=bool)
    for phoneme in phonemes:
        closed &= ~((shown >= phoneme.start) & (shown < phoneme.end))
    for phoneme in phonemes:
        if phoneme.name in LIPS_TOGETHER:
            closed |= (shown >= phoneme.start) & (shown < phoneme.end)
            closed[min(frames - 1, int((phoneme.start + phoneme.end) / 2 * fps))] = True
    return closed
