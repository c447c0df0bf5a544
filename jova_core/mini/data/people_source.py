"""Clips of people as a source: drawn when they are read, so that no film lies on a disk."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from ...config import JoVAConfig
from ...errors import JoVAError
from ...mouth.masks import latent_mask
from ...prompt import Prompt
from ...training.source import RejectedError, SourceClip
from ..people import (
    Head,
    Performance,
    Person,
    TimedPhone,
    build,
    perform,
    render,
    true_lips,
)
from ..voices.cache import read_plan, read_speech, speech_path
from ..voices.disguise import disguise
from ..voices.speech import SAMPLE_RATE
from .people_clips import (
    FPS,
    PER_LOOK,
    Casting,
    Choice,
    ClipNumber,
    Script,
    choose,
    clip_rng,
    phrases_of,
    write_script,
)
from .sound_times import sound_times

# Changes whenever the same numbers would give another clip.
VERSION = "people-5"
# Random streams of a clip beside the one that chooses who and what.
_PLACES, _MOVES, _MOMENT, _DISGUISE = 1, 2, 3, 4


@dataclass(frozen=True, kw_only=True)
class PeopleSource:
    """`clips` films and `stills` single pictures of people who say what the folder `voices` holds.

    And `alone` of the voices without pictures. The same numbers give the same clip for any number
    of workers. `keys` are the utterances to draw from, by default all of the plan; then clips whose
    phrase is not spoken yet are left out.
    """

    voices: Path
    clips: int = 0
    stills: int = 0
    alone: int = 0
    casting: Casting = field(default_factory=Casting)
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.clips, self.stills, self.alone) < 0:
            raise JoVAError(
                f"Got {self.clips} clips, {self.stills} single pictures and {self.alone} voices "
                "alone; give 0 or more of each."
            )

    @staticmethod
    def of_spoken(
        voices: Path, casting: Casting, *, clips: int = 0, stills: int = 0, alone: int = 0
    ) -> "PeopleSource":
        """A source that draws from what has been spoken so far; as a stream it has no end."""
        plan = read_plan(voices)
        keys = tuple(k for k in plan if speech_path(voices, k).exists())
        if not keys:
            raise JoVAError(f"Nothing is spoken in {voices} yet; run `jova data make-voices`.")
        count = {"clips": clips, "stills": stills, "alone": alone}
        return PeopleSource(voices=voices, casting=casting, keys=keys, **count)

    def entries(self) -> Sequence[ClipNumber]:
        """Clips, single pictures, voices alone, without those whose phrases are not spoken yet."""
        return [entry for entry in self._all() if self._spoken(self._choice(entry))]

    def waiting(self) -> int:
        """How many clips wait for their phrases to be spoken."""
        return self.clips + self.stills + self.alone - len(self.entries())

    def groups(self, first: int) -> Iterator[Sequence[ClipNumber]]:
        """Without end, from clip `first`: the clips of a look, pictures of another, voices."""
        number = first // PER_LOOK["clip"]
        while True:
            yield [
                ClipNumber(kind, number * count + at)
                for kind, count in PER_LOOK.items()
                for at in range(count)
            ]
            number += 1

    def key(self, entry: ClipNumber) -> str:
        """Changes with the casting, the clip's number and what is said in it."""
        said = self._choice(entry).keys
        return hashlib.sha256(repr((VERSION, self.casting, entry, said)).encode()).hexdigest()[:16]

    def name(self, entry: ClipNumber) -> str:
        """Its number and kind."""
        return f"{entry.kind} {entry.number}"

    def needs_mouths(self) -> bool:
        """The renderer knows where the lips are."""
        return False

    def read(self, entry: ClipNumber, config: JoVAConfig) -> SourceClip:
        """The clip, drawn. Raises RejectedError where a phrase is too long for every length."""
        size = _check(config)
        if entry.kind == "voice":
            return self._voice(entry)
        person = self._choice(entry).person
        script, performance = self._perform(entry)
        head = _head(replace(person, expression="neutral"))
        boxes = torch.from_numpy(true_lips(head, performance, size=size).boxes)
        found = torch.ones(len(boxes), dtype=torch.bool)
        prompt = Prompt(
            video_caption=person.caption,
            audio_caption=script.audio_caption,
            transcript=script.transcript,
        )
        disguised = None
        if script.transcript:
            other = disguise(script.audio, clip_rng(self.casting, entry, _DISGUISE))
            disguised = torch.from_numpy(other)
        return SourceClip(
            frames=torch.from_numpy(render(head, performance, size=size)),
            audio=torch.from_numpy(script.audio),
            prompt=prompt,
            mouth=latent_mask(boxes, found, height=size, width=size).bool(),
            disguised=disguised,
            sounds=sound_times(script.transcript, script.phones),
        )

    def read_fitting(
        self, entries: Iterable[ClipNumber], config: JoVAConfig
    ) -> Iterator[tuple[ClipNumber, SourceClip]]:
        """The clips of entries, without those whose phrase is too long."""
        for entry in entries:
            try:
                clip = self.read(entry, config)
            except RejectedError:
                continue
            yield entry, clip

    def lip_boxes(self, entry: ClipNumber, size: int) -> np.ndarray:
        """float32 [F, 4], x0, y0, x1, y1 round the outer lips in pictures of `size` px."""
        _, performance = self._perform(entry)
        head = _head(replace(self._choice(entry).person, expression="neutral"))
        return true_lips(head, performance, size=size).boxes

    def phones(self, entry: ClipNumber) -> tuple[TimedPhone, ...]:
        """What is said, phone by phone ("AA1"), with times in seconds."""
        return self._perform(entry)[0].phones

    def _voice(self, entry: ClipNumber) -> SourceClip:
        """What is heard in a clip, and no frames."""
        script = self._script(entry)
        prompt = Prompt(
            video_caption=self._choice(entry).person.caption,
            audio_caption=script.audio_caption,
            transcript=script.transcript,
        )
        none, audio = torch.zeros(0, 0, 0, 3, dtype=torch.uint8), torch.from_numpy(script.audio)
        return SourceClip(
            frames=none,
            audio=audio,
            prompt=prompt,
            sounds=sound_times(script.transcript, script.phones),
        )

    def _script(self, entry: ClipNumber) -> Script:
        plan = phrases_of(self.voices, self.casting.split, self.keys).utterances
        said = [(plan[key], read_speech(self.voices, key)) for key in self._choice(entry).keys]
        script = write_script(clip_rng(self.casting, entry, _PLACES), said)
        if script is None:
            raise RejectedError("its phrase is longer than the longest clip")
        return script

    def _perform(self, entry: ClipNumber) -> tuple[Script, Performance]:
        choice, script = self._choice(entry), self._script(entry)
        performance = perform(
            script.phones,
            script.frames / FPS,
            FPS,
            clip_rng(self.casting, entry, _MOVES),
            expression=choice.person.expression,
        )
        if entry.kind == "still":
            at = int(clip_rng(self.casting, entry, _MOMENT).integers(script.frames))
            return _silent(script), _moment(performance, at)
        return script, performance

    def _choice(self, entry: ClipNumber) -> Choice:
        return choose(self.casting, phrases_of(self.voices, self.casting.split, self.keys), entry)

    def _all(self) -> Iterator[ClipNumber]:
        yield from (ClipNumber("clip", number) for number in range(self.clips))
        yield from (ClipNumber("still", number) for number in range(self.stills))
        yield from (ClipNumber("voice", number) for number in range(self.alone))

    def _spoken(self, choice: Choice) -> bool:
        return all(speech_path(self.voices, key).exists() for key in choice.keys)


@lru_cache(maxsize=4)
def _head(person: Person) -> Head:
    """The last few people stay built; the expression is no part of a head."""
    return build(person)


def _moment(performance: Performance, at: int) -> Performance:
    """One frame of a performance."""
    tracks = {n: v[at : at + 1] for n, v in vars(performance).items() if isinstance(v, np.ndarray)}
    return replace(performance, **tracks)


def _silent(script: Script) -> Script:
    """A single picture says nothing, though its mouth may be open."""
    audio = np.zeros(SAMPLE_RATE // FPS, np.float32)
    return replace(script, frames=1, audio=audio, phones=(), audio_caption="", transcript="")


def _check(config: JoVAConfig) -> int:
    """The picture size of the config, if these clips can be made for it."""
    video, audio = config.video, config.audio
    if video.fps != FPS or audio.sample_rate != SAMPLE_RATE or video.width != video.height:
        raise JoVAError(
            f"Got a config of {video.width} x {video.height} px, {video.fps} fps and "
            f"{audio.sample_rate} Hz; people are drawn in squares at {FPS} fps with sound at "
            f"{SAMPLE_RATE} Hz: use the preset mini2."
        )
    return video.height
