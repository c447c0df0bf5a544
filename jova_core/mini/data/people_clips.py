"""What one clip of people shows and says, drawn from (seed, number) alone.

A cast of a few people is seen again and again; hair, clothes, light and background change freely.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from ...errors import JoVAError
from ..people import Person, TimedPhone, draw_person, held_out_looks
from ..text.pronounce import VOWELS
from ..voices.cache import Utterance, read_plan
from ..voices.cast import audio_caption, find_voice
from ..voices.speech import SAMPLE_RATE, Speech

Split = Literal["train", "heldout", "unseen"]
Kind = Literal["clip", "still", "voice"]

# At 25 Hz a frame is 640 samples and a video latent of four frames exactly five audio latents of
# 512 samples; 4n + 1 frames with an even n have 5n + 2 audio latents, an even number, of which two
# make a token. 25, 49 and 73 frames are 1, 1.96 and 2.92 s.
FPS, SIZE = 25, 192
FRAME_COUNTS = (25, 49, 73)
FRAME_SHARES = (0.4, 0.4, 0.2)
SILENT_SHARE = 0.15
# A phrase is followed by another one of the same voice and manner in this share of the clips.
FOLLOWED_SHARE = 0.2
MOST_WORDS = 10
LEAD_SECONDS, TAIL_SECONDS = 0.06, 0.08
SHORTEST_PAUSE, LONGEST_PAUSE = 0.15, 0.9
LEVEL_SPREAD_DB = 2.0
# Building somebody takes as long as drawing 200 frames, so a look is seen in several clips; single
# pictures teach looks, so they change theirs more often. A voice alone costs next to nothing.
PER_LOOK: dict[Kind, int] = {"clip": 8, "still": 4, "voice": 32}
# Numbers of random streams, so that no two things of a seed share one.
_CAST, _LOOK, _CLIP = 1, 2, 3
_KINDS: dict[Kind, int] = {"clip": 0, "still": 1, "voice": 2}
_SPLITS: dict[Split, int] = {"train": 0, "heldout": 1, "unseen": 2}


@dataclass(frozen=True, kw_only=True)
class Casting:
    """What decides the clips of one data set: its seed, how many people, which split."""

    seed: int = 0
    cast: int = 100
    split: Split = "train"

    def __post_init__(self) -> None:
        if self.split not in _SPLITS:
            raise JoVAError(f"Got the split {self.split!r}; expected {', '.join(_SPLITS)}.")
        if self.seed < 0 or self.cast < 1:
            raise JoVAError(
                f"Got seed {self.seed} and a cast of {self.cast}; give a seed of 0 or more and at "
                "least one person."
            )


@dataclass(frozen=True)
class ClipNumber:
    """Which clip: a film with sound, a single picture, or a voice without pictures."""

    kind: Kind
    number: int


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Who is seen and what is said: keys of utterances in order, none where nobody speaks."""

    person: Person
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Heard:
    """A phone in a clip, named as CMUdict does ("AA1"), with its times in seconds."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Script:
    """A clip before it is drawn: float32 audio [640 F], phones in order, captions."""

    frames: int
    audio: np.ndarray
    phones: tuple[TimedPhone, ...]
    audio_caption: str
    transcript: str


class Phrases:
    """The utterances that clips of a split draw from, by the sex and manner of their voices."""

    def __init__(self, utterances: Mapping[str, Utterance]) -> None:
        self.utterances = dict(utterances)
        self._of_sex: dict[str, list[str]] = defaultdict(list)
        self._alike: dict[tuple[str, str], list[str]] = defaultdict(list)
        for key, utterance in self.utterances.items():
            self._of_sex[find_voice(utterance.voice).sex].append(key)
            self._alike[_manner(utterance)].append(key)

    def draw(self, rng: np.random.Generator, sex: str) -> tuple[str, ...]:
        """One phrase of somebody of this sex, or two of the same voice. JoVAError: none is there"""
        own = self._of_sex[sex]
        if not own:
            raise JoVAError(
                f"The folder of voices has no {sex} who speaks; run `jova data make-voices` on it."
            )
        first = own[rng.integers(len(own))]
        alike = self._alike[_manner(self.utterances[first])]
        second, wanted = alike[rng.integers(len(alike))], rng.random() < FOLLOWED_SHARE
        words = sum(len(self.utterances[key].words) for key in (first, second))
        follows = wanted and second != first and words <= MOST_WORDS
        return (first, second) if follows else (first,)


def _manner(utterance: Utterance) -> tuple[str, str]:
    return utterance.voice, audio_caption(utterance.voice, utterance.tempo)


@lru_cache(maxsize=4)
def phrases_of(folder: Path, split: Split, keys: tuple[str, ...] = ()) -> Phrases:
    """The plan's utterances of a split, or only those of `keys`."""
    plan, only = read_plan(folder), frozenset(keys)
    fitting = {k: u for k, u in plan.items() if u.split == split and (not only or k in only)}
    return Phrases(fitting)


def choose(casting: Casting, phrases: Phrases, which: ClipNumber) -> Choice:
    """Who is seen in a clip and what is said in it; nothing is read or drawn for that."""
    person = draw_look(casting, which.kind, which.number // PER_LOOK[which.kind])
    rng = clip_rng(casting, which)
    moods = ("neutral", "smiling", "serious")
    person = replace(person, expression=moods[rng.integers(len(moods))])
    silent = rng.random() < SILENT_SHARE
    said = phrases.draw(rng, person.sex)
    return Choice(person=person, keys=() if silent else said)


def clip_rng(casting: Casting, which: ClipNumber, purpose: int = 0) -> np.random.Generator:
    """The random stream of a clip; another purpose gives another stream."""
    place = (_CLIP, _SPLITS[casting.split], _KINDS[which.kind], which.number, purpose)
    return np.random.default_rng((casting.seed, *place))


def draw_look(casting: Casting, kind: Kind, number: int) -> Person:
    """One of the cast as they look for a few clips; held-out looks are only in that split."""
    rng = np.random.default_rng((casting.seed, _LOOK, _SPLITS[casting.split], _KINDS[kind], number))
    base = draw_person(np.random.default_rng((casting.seed, _CAST, rng.integers(casting.cast))))
    held = held_out_looks(casting.seed)
    kept = {"only": held} if casting.split == "heldout" else {"avoid": held}
    light = int(rng.integers(1, 2**31))
    same = {"seed": base.seed, "sex": base.sex, "age": base.age, "skin": base.skin}
    return draw_person(rng, **kept, **same, light=light)


def write_script(
    rng: np.random.Generator, said: Sequence[tuple[Utterance, Speech]]
) -> Script | None:
    """Places what is said anywhere in a clip of one of the lengths; None where it fits in none."""
    lengths = [speech.seconds for _, speech in said]
    frames, starts = _place(rng, lengths)
    if not frames:
        return write_script(rng, said[:1]) if len(said) > 1 else None
    audio = np.zeros(frames * SAMPLE_RATE // FPS, np.float32)
    phones: list[Heard] = []
    gain = 10 ** (rng.uniform(-LEVEL_SPREAD_DB, LEVEL_SPREAD_DB) / 20)
    for (_, speech), start in zip(said, starts, strict=True):
        offset = round(start * SAMPLE_RATE)
        audio[offset : offset + len(speech.samples)] = gain * speech.samples
        phones += _heard(speech, offset / SAMPLE_RATE)
    first = said[0][0] if said else None
    return Script(
        frames=frames,
        audio=np.clip(audio, -1, 1),
        phones=tuple(phones),
        audio_caption=audio_caption(first.voice, first.tempo) if first else "",
        transcript=" ".join(word for utterance, _ in said for word in utterance.words),
    )


def _heard(speech: Speech, at: float) -> Iterator[Heard]:
    for phone in speech.phones:
        name = f"{phone.symbol}{phone.stress}" if phone.symbol in VOWELS else phone.symbol
        yield Heard(name, phone.start + at, phone.end + at)


def _place(rng: np.random.Generator, lengths: list[float]) -> tuple[int, list[float]]:
    """Frame count and the start of each phrase in seconds, spread over all that fits; 0: nothing.

    Onsets spread widely, or a clip's lips would go with the voice of any other clip.
    """
    least = LEAD_SECONDS + sum(lengths) + SHORTEST_PAUSE * max(0, len(lengths) - 1) + TAIL_SECONDS
    fitting = [index for index, frames in enumerate(FRAME_COUNTS) if least <= frames / FPS]
    if not fitting:
        return 0, []
    shares = np.array([FRAME_SHARES[index] for index in fitting])
    frames = FRAME_COUNTS[fitting[rng.choice(len(fitting), p=shares / shares.sum())]]
    slack = frames / FPS - least
    pauses = rng.uniform(0, min(slack, LONGEST_PAUSE), size=max(0, len(lengths) - 1))
    start = LEAD_SECONDS + rng.uniform(0, slack - pauses.sum())
    starts = []
    for length, pause in zip(lengths, [*pauses, 0.0], strict=False):
        starts.append(start)
        start += length + SHORTEST_PAUSE + pause
    return frames, starts
