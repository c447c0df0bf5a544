"""What one clip says and shows, drawn from (seed, clip number) alone."""

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from . import vocabulary
from .speech import PROSODY, SAMPLE_RATE, Bank, Phoneme
from .vocabulary import BACKGROUNDS, HAIRS, SHIRTS, SKINS, UNSEEN_WORDS, VOICES, WORDS, HeldOut

Split = Literal["train", "heldout", "unseen"]

FPS = 16
# Clip lengths in frames, F = 4(T-1)+1, and how often each is drawn among those the text fits in.
FRAME_COUNTS = (33, 49, 65)
FRAME_SHARES = (0.5, 0.35, 0.15)
WORD_COUNT_SHARES = (0.3, 0.35, 0.2, 0.15)
NO_SHIRT_SHARE = 0.3
LEAD_SECONDS, TAIL_SECONDS = 0.1, 0.1
SHORTEST_PAUSE, LONGEST_PAUSE = 0.08, 0.8
# RMS of a spoken word: -20 dBFS with a spread of a few dB between clips and words.
LEVEL_DB, CLIP_SPREAD_DB, WORD_SPREAD_DB = -20.0, 1.5, 0.7
# Above the knee, peaks bend towards 0.4 + 0.5 instead of clipping.
KNEE, HEADROOM = 0.4, 0.5


@dataclass(frozen=True, kw_only=True)
class Script:
    """One clip before drawing: captioned and drawn attributes, voice, words, audio [1000 F]."""

    attributes: dict[str, str | None]
    drawn_shirt: str
    voice: str
    words: tuple[str, ...]
    starts: tuple[float, ...]
    ends: tuple[float, ...]
    frames: int
    audio: np.ndarray
    phonemes: list[Phoneme]


def write_script(
    rng: np.random.Generator,
    bank: Bank,
    held_out: HeldOut,
    split: Split,
    voices: tuple[str, ...] = VOICES,
) -> Script:
    """Draws a clip of a split: train has no held-out pair, heldout has, unseen has other words."""
    hair, background = _pick_look(rng, held_out, held=split == "heldout")
    drawn_shirt = SHIRTS[rng.integers(len(SHIRTS))]
    attributes: dict[str, str | None] = {
        "skin": SKINS[rng.integers(len(SKINS))],
        "hair": hair,
        "shirt": None if rng.random() < NO_SHIRT_SHARE else drawn_shirt,
        "background": background,
    }
    voice = voices[rng.integers(len(voices))]
    count = 1 + int(rng.choice(len(WORD_COUNT_SHARES), p=WORD_COUNT_SHARES))
    words = _pick_words(rng, held_out, count, split)
    spoken = [bank[word, voice, int(rng.integers(len(PROSODY)))] for word in words]
    frames, starts = _place(rng, [word.seconds for word in spoken])
    audio = np.zeros(frames * SAMPLE_RATE // FPS, dtype=np.float32)
    clip_db = LEVEL_DB + rng.uniform(-CLIP_SPREAD_DB, CLIP_SPREAD_DB)
    phonemes = []
    offsets = [round(start * SAMPLE_RATE) for start in starts]
    for word, offset in zip(spoken, offsets, strict=True):
        gain = 10 ** ((clip_db + rng.uniform(-WORD_SPREAD_DB, WORD_SPREAD_DB)) / 20)
        audio[offset : offset + len(word.samples)] = limit(word.samples * gain)
        at = offset / SAMPLE_RATE
        phonemes += [
            Phoneme(name=p.name, start=p.start + at, end=p.end + at) for p in word.phonemes
        ]
    return Script(
        attributes=attributes,
        drawn_shirt=drawn_shirt,
        voice=voice,
        words=words,
        starts=tuple(offset / SAMPLE_RATE for offset in offsets),
        ends=tuple(o / SAMPLE_RATE + w.seconds for o, w in zip(offsets, spoken, strict=True)),
        frames=frames,
        audio=audio,
        phonemes=phonemes,
    )


def limit(samples: np.ndarray) -> np.ndarray:
    """Samples with peaks above 0.4 bent so that none passes 0.9."""
    size = np.abs(samples)
    bent = KNEE + HEADROOM * np.tanh((size - KNEE) / HEADROOM)
    return np.where(size > KNEE, np.sign(samples) * bent, samples).astype(np.float32)


def _pick_look(rng: np.random.Generator, held_out: HeldOut, *, held: bool) -> tuple[str, str]:
    pairs = held_out.hair_background
    if not held:
        pairs = tuple((h, b) for h in HAIRS for b in BACKGROUNDS if (h, b) not in pairs)
    return pairs[rng.integers(len(pairs))]


def _pick_words(
    rng: np.random.Generator, held_out: HeldOut, count: int, split: Split
) -> tuple[str, ...]:
    """`count` words, no word twice in a row; held-out clips contain one held-out pair."""
    forbidden = set(held_out.word_pairs)
    source = UNSEEN_WORDS if split == "unseen" else WORDS
    while True:
        words = [source[index] for index in rng.integers(len(source), size=count)]
        if split == "heldout" and count > 1:
            at = int(rng.integers(count - 1))
            words[at : at + 2] = held_out.word_pairs[rng.integers(len(held_out.word_pairs))]
        pairs = list(itertools.pairwise(words))
        repeated = any(first == second for first, second in pairs)
        if not repeated and (split == "heldout" or not forbidden.intersection(pairs)):
            return tuple(words)


def _place(rng: np.random.Generator, lengths: list[float]) -> tuple[int, list[float]]:
    """Frame count and the start of every word in seconds, spread over all that fits."""
    least = LEAD_SECONDS + sum(lengths) + SHORTEST_PAUSE * (len(lengths) - 1) + TAIL_SECONDS
    fitting = [index for index, frames in enumerate(FRAME_COUNTS) if least <= frames / FPS]
    assert fitting, f"a text of {least:.2f} s fits in no clip"
    shares = np.array([FRAME_SHARES[index] for index in fitting])
    frames = FRAME_COUNTS[fitting[rng.choice(len(fitting), p=shares / shares.sum())]]
    slack = frames / FPS - least
    extra = rng.uniform(0, LONGEST_PAUSE - SHORTEST_PAUSE, size=len(lengths) - 1)
    if extra.sum() > slack:
        extra *= rng.random() * slack / extra.sum()
    start = LEAD_SECONDS + rng.uniform(0, slack - extra.sum())
    starts = [start]
    for length, pause in zip(lengths[:-1], extra, strict=True):
        starts.append(starts[-1] + length + SHORTEST_PAUSE + pause)
    return frames, starts


def captions(script: Script) -> tuple[str, str, str]:
    """Video caption, audio caption and transcript of a script."""
    return (
        vocabulary.video_caption(script.attributes),
        vocabulary.audio_caption(script.voice),
        " ".join(script.words),
    )
