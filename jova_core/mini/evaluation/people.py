"""`jova eval-mini --people`: clips of people beside the truth, by judges not trained by us.

The truth is a held-out clip as it is drawn and spoken; the ceiling is the truth through the codecs.
Legend: F frames, N samples, T video latents.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from torch import Tensor

from ...codecs import Codecs
from ...config import JoVAConfig
from ...given import Given
from ...mouth.landmarks import LipDetector, LipTrack
from ...prompt import Prompt
from ...sync.correlation import SyncReport, speech_envelope, sync_report
from ...training.source import SourceClip
from ..codecs.measure import seams
from ..data.people_clips import FPS, ClipNumber
from ..data.people_source import PeopleSource
from .attributes import LookClassifier
from .evaluate import Clip, PlainClip, background_flicker, copied, mean
from .listening import (
    SAMPLE_RATE,
    heard_phonemes,
    heard_words,
    is_audible,
    naturalness,
    phoneme_errors,
    plain_words,
    speaker,
)
from .people_looks import wanted_looks
from .shuffle import shuffled_controls
from .words import words_right, words_right_shuffled

# (prompt, frames, seed, what is given) → clip
MakeFn = Callable[[Prompt, int, int, Given | None], Clip]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What is heard and seen in one clip; nothing is heard where nobody should speak."""

    words: list[str]
    phonemes: list[str]
    naturalness: float
    speaker: np.ndarray | None
    lips: LipTrack
    envelope: Tensor  # float64 [F]
    flicker: float
    seams: float
    looks: dict[str, str]  # attributes that are seen

    @property
    def sync(self) -> SyncReport:
        """Lips and loudness of the clip."""
        return sync_report(self.lips, self.envelope)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A held-out clip: its number, what is drawn and said, and its phones without stress."""

    entry: ClipNumber
    clip: SourceClip
    phones: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """What should be heard."""
        return plain_words(self.clip.prompt.transcript)


def truths(source: PeopleSource, config: JoVAConfig, limit: int) -> list[Truth]:
    """The first `limit` clips of a source in which somebody speaks."""
    films = [entry for entry in source.entries() if entry.kind == "clip"]
    found = []
    for entry, clip in source.read_fitting(films, config):
        if len(found) == limit:
            break
        if clip.prompt.transcript:
            phones = tuple(phone.name.rstrip("012") for phone in source.phones(entry))
            found.append(Truth(entry=entry, clip=clip, phones=phones))
    return found


def judge(clip: Clip, detector: LipDetector, looks: LookClassifier, *, cell: int = 8) -> Judged:
    """All judges on one clip; `cell` is the side (px) of a codec's patch."""
    wave = clip.audio.numpy()
    loud = is_audible(wave)
    return Judged(
        words=heard_words(wave) if loud else [],
        phonemes=heard_phonemes(wave) if loud else [],
        naturalness=naturalness(wave) if loud else math.nan,
        speaker=speaker(wave) if loud else None,
        lips=detector.detect(clip.frames),
        envelope=speech_envelope(clip.audio, SAMPLE_RATE, FPS, len(clip.frames)),
        flicker=background_flicker(clip.frames),
        seams=seams(clip.frames, cell),
        looks=looks.classify(clip.frames),
    )


def evaluate_people(
    make: MakeFn,
    cases: Sequence[Truth],
    codecs: Codecs,
    *,
    detector: LipDetector,
    looks: LookClassifier,
    seed: int = 0,
    shuffles: int = 200,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Figures of clips made from the prompts of `cases`, of the truth and of its ceiling.

    `_truth` is of the voices and drawings themselves, `_ceiling` of them through the codecs. Clip i
    is made with `seed + i`. NaN where nothing could be measured.
    """
    made, ceiling, true = [], [], []
    for i, case in enumerate(cases):
        clip = case.clip
        for judged, shown in (
            (made, make(clip.prompt, len(clip.frames), seed + i, None)),
            (ceiling, copied(clip.frames, clip.audio, codecs)),
            (true, PlainClip(frames=clip.frames, audio=clip.audio)),
        ):
            judged.append(judge(shown, detector, looks))
        if progress:
            progress(i + 1, len(cases))
    figures = summarise(cases, made, true, seed=seed, shuffles=shuffles)
    for name, judged in (("ceiling", ceiling), ("truth", true)):
        other = summarise(cases, judged, true, seed=seed, shuffles=shuffles)
        figures |= {f"{key}_{name}": value for key, value in other.items() if key != "clips"}
    figures["details"] = [
        {
            "video_caption": case.clip.prompt.video_caption,
            "audio_caption": case.clip.prompt.audio_caption,
            "transcript": case.clip.prompt.transcript,
            "frames": len(case.clip.frames),
            "heard": " ".join(judged.words),
            "sync": judged.sync.opening,
            "naturalness": judged.naturalness,
            "wrong_looks": wrong_looks(case, judged),
        }
        for case, judged in zip(cases, made, strict=True)
    ]
    return figures


def summarise(
    cases: Sequence[Truth],
    judged: Sequence[Judged],
    true: Sequence[Judged],
    *,
    seed: int = 0,
    shuffles: int = 200,
) -> dict[str, Any]:
    """Means over clips, with shuffled controls.

    phoneme_errors: edits per wanted phone. attributes: share that is seen as the caption names it,
    and attribute_<name> of each. speaker: mean product of a voice with the true one, and
    speaker_shuffled with those of other clips.
    """
    wanted, heard = [case.words for case in cases], [j.words for j in judged]
    reports = [j.sync for j in judged]
    controls = shuffled_controls(
        [j.lips.opening for j in judged], [j.envelope for j in judged], n=shuffles, seed=seed
    )
    offsets = [r.offset_frames for r in reports if r.offset_frames is not None]
    edits = sum(phoneme_errors(c.phones, j.phonemes) for c, j in zip(cases, judged, strict=True))
    same, other = _speakers(judged, true)
    return {
        "clips": len(cases),
        "words": words_right(wanted, heard),
        "words_shuffled": words_right_shuffled(wanted, heard, n=shuffles, seed=seed),
        "phoneme_errors": edits / max(1, sum(len(case.phones) for case in cases)),
        "naturalness": mean([j.naturalness for j in judged]),
        **_attributes(cases, judged),
        "speaker": same,
        "speaker_shuffled": other,
        "sync": mean([r.opening for r in reports]),
        "sync_shuffled": controls.mean,
        "sync_shuffled_p95": controls.p95,
        "offset_frames": median(offsets) if offsets else None,
        "faces_share": mean([r.face_share for r in reports]),
        "flicker": mean([j.flicker for j in judged]),
        "seams": mean([j.seams for j in judged]),
    }


def wrong_looks(case: Truth, judged: Judged) -> dict[str, str]:
    """The attributes that the caption names and that are seen otherwise, as they are seen."""
    wanted = wanted_looks(case.clip.prompt.video_caption)
    return {n: judged.looks[n] for n, v in wanted.items() if v is not None and judged.looks[n] != v}


def _attributes(cases: Sequence[Truth], judged: Sequence[Judged]) -> dict[str, float]:
    """Shares of attributes that are right: of each, and of all together."""
    right: dict[str, list[float]] = {}
    for case, seen in zip(cases, judged, strict=True):
        for name, value in wanted_looks(case.clip.prompt.video_caption).items():
            if value is not None:
                right.setdefault(name, []).append(float(seen.looks[name] == value))
    every = [value for values in right.values() for value in values]
    return {"attributes": mean(every)} | {f"attribute_{n}": mean(v) for n, v in right.items()}


def _speakers(judged: Sequence[Judged], true: Sequence[Judged]) -> tuple[float, float]:
    """Mean product of each voice with its true one, and with those of all other clips."""
    pairs = [
        (j.speaker, t.speaker)
        for j, t in zip(judged, true, strict=True)
        if j.speaker is not None and t.speaker is not None
    ]
    if len(pairs) < 2:
        return math.nan, math.nan
    products = np.stack([p[0] for p in pairs]) @ np.stack([p[1] for p in pairs]).T
    own = np.eye(len(pairs), dtype=bool)
    return float(products[own].mean()), float(products[~own].mean())
