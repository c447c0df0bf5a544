"""What a voice gives: samples, and the phones in them with their times."""

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

SAMPLE_RATE = 16000


@dataclass(frozen=True, kw_only=True)
class Phone:
    """One of CMUdict's 39 ARPAbet phones: start and end in seconds, the index of its word.

    `stress` is 1 for a vowel under primary stress, 2 under secondary stress, 0 for all others.
    """

    symbol: str
    stress: int
    start: float
    end: float
    word: int


@dataclass(frozen=True, kw_only=True)
class Speech:
    """An utterance: float32 samples [N] at 16 kHz without silence around it, phones in order."""

    samples: np.ndarray
    phones: tuple[Phone, ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE

    @property
    def pace(self) -> float:
        """Phones in a second, pauses left out."""
        return len(self.phones) / sum(phone.end - phone.start for phone in self.phones)


class Engine(Protocol):
    """What turns text into speech."""

    def version(self, voice: str) -> str:
        """Changes whenever a voice would say the same text in another way."""

    def say(self, text: str, voice: str, tempo: float) -> Speech:
        """`text` in one of the cast's voices, `tempo` times as fast as the voice speaks."""


def phones_to_json(phones: tuple[Phone, ...]) -> list[dict[str, Any]]:
    """Plain objects, times to 0.1 ms."""
    return [
        asdict(phone) | {"start": round(phone.start, 4), "end": round(phone.end, 4)}
        for phone in phones
    ]
