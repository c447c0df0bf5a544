"""The published words of the voices, by kind, and which words and word pairs no training has."""

import zlib
from functools import cache
from pathlib import Path

WORDS_FILE = Path(__file__).parent / "words.txt"
UNSEEN, BOUND = "unseen", "bound"
# Kinds that every sentence needs: pairs inside them are always trained, or no sentence could be.
FREQUENT_KINDS = ("subject", "object", "owner", "linking", "modal", "asking", "small", BOUND)
# One ordered pair in five, as in the design's section 5.
HELD_OUT_IN = 5


@cache
def word_kinds() -> dict[str, tuple[str, ...]]:
    """Words of every kind in the order of words.txt; kind "unseen" is of words never trained."""
    kinds: dict[str, list[str]] = {}
    for line in WORDS_FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            words = kinds.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            words += line.split()
    return {kind: tuple(words) for kind, words in kinds.items()}


@cache
def trained_words() -> tuple[str, ...]:
    """Every word that training speech may hold, each once."""
    kinds = word_kinds()
    return tuple(dict.fromkeys(word for kind in kinds if kind != UNSEEN for word in kinds[kind]))


@cache
def single_words() -> tuple[str, ...]:
    """Trained words that one also says alone, or in a list."""
    return tuple(word for word in trained_words() if word not in word_kinds()[BOUND])


def unseen_words() -> tuple[str, ...]:
    """Words that only the evaluation speaks: what the model says that it never heard."""
    return word_kinds()[UNSEEN]


@cache
def _frequent() -> frozenset[str]:
    return frozenset(word for kind in FREQUENT_KINDS for word in word_kinds()[kind])


def is_held_out(first: str, second: str) -> bool:
    """Whether no training phrase has `second` right after `first`.

    A fifth of all ordered pairs by a hash of their letters, the same for every seed; pairs of two
    frequent words ("in the", "i will") are never held out.
    """
    if first in _frequent() and second in _frequent():
        return False
    return zlib.crc32(f"{first} {second}".encode()) % HELD_OUT_IN == 0
