"""The published words, colours and voices of JoVA-mini, its captions and its held-out pairs."""

import math
from dataclasses import dataclass

import numpy as np

from ...errors import JoVAError
from ...vocabulary import Vocabulary

SKINS = ("pale", "light", "tan", "dark")
HAIRS = ("black", "brown", "blond", "red", "purple", "green")
SHIRTS = ("red", "blue", "green", "black", "white")
BACKGROUNDS = ("white", "gray", "yellow", "blue", "green", "pink")
VOICES = ("deep", "low", "warm", "clear", "soft", "high")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDS = (
    *NUMBERS,
    *("red", "blue", "green", "yellow", "black", "white"),
    *("hello", "goodbye", "please", "thanks", "yes", "no"),
    *("today", "tomorrow", "morning", "night"),
    *("cat", "dog", "lion", "bird", "fish", "horse"),
    *("big", "small", "good", "happy"),
    *("water", "music", "home", "friend"),
    *("i", "you", "he", "she", "we", "they", "me", "my", "your", "our"),
    *("the", "this", "that", "and", "or", "with", "from", "in", "of", "not", "just", "much"),
    *("is", "are", "have", "can", "will", "want", "need", "like", "love", "think", "enjoy"),
    *("see", "look", "listen", "speak", "say", "make", "play", "sing", "dance", "read"),
    *("come", "go", "walk", "run", "stop", "wait", "help", "give", "take", "eat", "sleep"),
    *("what", "who", "where", "when", "why", "how", "here", "there", "now", "never", "always"),
    *("welcome", "sorry", "maybe", "very", "again", "ready", "evening", "name", "time", "day"),
    *("new", "old", "hot", "cold", "fast", "slow", "great", "little", "first", "beautiful"),
    *("man", "woman", "boy", "child", "mother", "father", "people", "world", "house", "school"),
    *("sun", "moon", "star", "sky", "rain", "fire", "tree", "flower", "garden", "mountain"),
    *("show", "wish", "change", "job", "city"),
    *("bread", "coffee", "apple", "book", "picture", "voice", "door", "car", "money", "story"),
)
# Spoken in clips of their own that no training sees: what words the mini never met sound like.
UNSEEN_WORDS = (
    *("window", "summer", "paper", "doctor", "table", "river", "sugar", "magic"),
    *("chair", "bridge", "yoga", "thumb", "village", "jacket", "shoulder", "monkey"),
    *("breakfast", "purple", "kitchen", "robot", "lemon", "forest", "cookie", "winter"),
)
# The shares of design section 5: at least 10 % of hair × background, 20 % of ordered word pairs.
HELD_OUT_HAIR_BACKGROUND = 5
HELD_OUT_WORD_PAIRS = 0.2
# Stands where clips have their number, so only clip 24301 would share the split's random stream.
SPLIT_STREAM = 0x5EED


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Pairs that no training clip contains: (hair, background) and (word, next word)."""

    hair_background: tuple[tuple[str, str], ...]
    word_pairs: tuple[tuple[str, str], ...]


def video_caption(attributes: dict[str, str | None]) -> str:
    """The video caption of `skin`, `hair`, `shirt` (None leaves it out) and `background`."""
    allowed = {"skin": SKINS, "hair": HAIRS, "shirt": (*SHIRTS, None), "background": BACKGROUNDS}
    for name, values in allowed.items():
        if attributes.get(name) not in values:
            listed = ", ".join(str(value) for value in values)
            raise JoVAError(f"{name} is {attributes.get(name)!r}; give one of: {listed}.")
    shirt = attributes["shirt"]
    clothes = f" in a {shirt} shirt" if shirt else ""
    return (
        f"a {attributes['skin']} face with {attributes['hair']} hair{clothes}"
        f" on a {attributes['background']} background"
    )


def audio_caption(voice: str) -> str:
    """The audio caption of a voice."""
    if voice not in VOICES:
        raise JoVAError(f"voice is {voice!r}; give one of: {', '.join(VOICES)}.")
    return f"a {voice} voice speaks"


def ordered_word_pairs() -> tuple[tuple[str, str], ...]:
    """Every ordered pair of two different words."""
    return tuple((first, second) for first in WORDS for second in WORDS if first != second)


def held_out_pairs(seed: int) -> HeldOut:
    """The held-out pairs of a seed; every hair, background and word stays in training pairs."""
    rng = np.random.default_rng((seed, SPLIT_STREAM))
    hairs = rng.permutation(len(HAIRS))[:HELD_OUT_HAIR_BACKGROUND]
    backgrounds = rng.permutation(len(BACKGROUNDS))[:HELD_OUT_HAIR_BACKGROUND]
    looks = sorted((HAIRS[h], BACKGROUNDS[b]) for h, b in zip(hairs, backgrounds, strict=True))
    pairs = ordered_word_pairs()
    chosen = rng.choice(len(pairs), size=math.ceil(HELD_OUT_WORD_PAIRS * len(pairs)), replace=False)
    words = tuple(pairs[index] for index in sorted(chosen))
    return HeldOut(hair_background=tuple(looks), word_pairs=words)


def published_vocabulary() -> Vocabulary:
    """Every word that captions and transcripts of the data set can hold."""
    looks = (*SKINS, "face", *HAIRS, "hair", *SHIRTS, "shirt", *BACKGROUNDS, "background")
    fillers = ("a", "with", "in", "on")
    return Vocabulary(
        video_words=tuple(dict.fromkeys((*looks, *fillers))),
        audio_words=("a", *VOICES, "voice", "speaks"),
        spoken_words=WORDS,
    )
