"""Clips from given media: a voice, a portrait, or a silent video of held-out clips.

The ceiling is the true clip put through the codecs. Legend: F frames, N samples.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...mouth.landmarks import LipTrack
from ...prompt import Prompt
from ...sync.correlation import speech_envelope, zero_lag_correlation
from ..data.dataset import Dataset, WordTime, load_clip
from .cases import LOOKS, Case
from .evaluate import Clip, Codecs, Detector, through_codecs
from .features import SAMPLE_RATE
from .judges import Judges
from .words import words_right

BILABIALS = frozenset("bmp")
CLOSED = 0.25  # of the clip's widest opening (95th percentile), below which lips count as closed

# (prompt, frames, seed, given media by name: "audio" [N], "image" or "video" uint8) → clip
GivenFn = Callable[[Prompt, int, int, Mapping[str, Tensor]], Clip]


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """One held-out clip's figures, most with a ceiling; NaN if unknown."""

    opening: tuple[float, float]  # correlation of lip opening with the true one, its ceiling
    width: tuple[float, float]
    closures: tuple[int, int, int]  # of b, m, p: true, generated, at the ceiling
    envelope: tuple[float, float]  # correlation of loudness with the true one, its ceiling
    looks: dict[str, bool]  # whether attributes of the portrait stayed
    heard: list[str]  # words of the portrait


def evaluate_tasks(
    generate_fn: GivenFn,
    dataset: Dataset,
    codecs: Codecs,
    judges: Judges,
    cases: Sequence[Case],
    *,
    detector: Detector,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Figures of voice → video, portrait → video and video → voice; three clips per case.

    Cases must have a ground-truth clip. Case i is made with `seed + i`.
    """
    results = []
    for i, case in enumerate(cases):
        results.append(
            _measure(generate_fn, dataset, codecs, judges, case, detector=detector, seed=seed + i)
        )
        if progress:
            progress(i + 1, len(cases))
    true, generated, ceiling = (sum(r.closures[k] for r in results) for k in range(3))
    looks = [right for r in results for right in r.looks.values()]
    return {
        **_pair("lips_opening", [r.opening for r in results]),
        **_pair("lips_width", [r.width for r in results]),
        "lips_closed": generated / true if true else None,
        "lips_closed_ceiling": ceiling / true if true else None,
        "lips_closed_cases": true,
        "portrait_attributes": sum(looks) / len(looks) if looks else None,
        "portrait_words": words_right([c.words for c in cases], [r.heard for r in results]),
        **_pair("envelope", [r.envelope for r in results]),
    }


def _measure(
    generate_fn: GivenFn,
    dataset: Dataset,
    codecs: Codecs,
    judges: Judges,
    case: Case,
    *,
    detector: Detector,
    seed: int,
) -> TaskResult:
    data, info = load_clip(dataset, case.clip), case.clip
    truth = through_codecs(dataset, info, codecs)

    def make(**given: Tensor) -> Clip:
        return generate_fn(case.prompt, case.frames, seed, given)

    acted = detector.detect(make(audio=data["audio"]).frames)
    portrait, voiced = make(image=data["frames"][0]), make(video=data["frames"])
    lips, copied = detector.detect(data["frames"]), detector.detect(truth.frames)
    seen = judges.looks.classify(portrait.frames)
    wanted = case.looks
    loudness = [
        speech_envelope(audio, SAMPLE_RATE, dataset.fps, case.frames)
        for audio in (data["audio"], voiced.audio, truth.audio)
    ]
    return TaskResult(
        opening=tuple(zero_lag_correlation(t.opening, lips.opening) for t in (acted, copied)),
        width=tuple(zero_lag_correlation(t.width, lips.width) for t in (acted, copied)),
        closures=_closures(info.words, dataset.fps, lips, acted, copied),
        envelope=tuple(zero_lag_correlation(part, loudness[0]) for part in loudness[1:]),
        looks={name: seen[name] == wanted[name] for name in LOOKS if wanted[name] is not None},
        heard=judges.recogniser.recognise([portrait.audio])[0],
    )


def _closures(
    words: Sequence[WordTime], fps: int, truth: LipTrack, *others: LipTrack
) -> tuple[int, ...]:
    """Runs of closed lips within words with b, m or p; and how many of them others close, too.

    A run counts as closed if any of its frames, or the one before or after it, is.
    """
    closed = _closed(truth.opening)
    runs = []
    for word in words:
        if BILABIALS & set(word.word):
            first, last = math.floor(word.start * fps), math.ceil(word.end * fps)
            runs += _runs(closed[first : last + 1], first)
    marks = [_closed(other.opening) for other in others]
    counts = [sum(bool(mark[max(0, a - 1) : b + 1].any()) for a, b in runs) for mark in marks]
    return (len(runs), *counts)


def _closed(opening: Tensor) -> Tensor:
    """bool [F]: closed lips; False without a face."""
    values = opening[torch.isfinite(opening)]
    if not len(values):
        return torch.zeros(len(opening), dtype=torch.bool)
    return opening < CLOSED * values.quantile(0.95)


def _runs(marks: Tensor, offset: int) -> list[tuple[int, int]]:
    """(first, past the last) of each run of True, counted from `offset`."""
    edges = torch.diff(marks.int(), prepend=torch.zeros(1), append=torch.zeros(1))
    starts, ends = (edges > 0).nonzero()[:, 0], (edges < 0).nonzero()[:, 0]
    return [(offset + int(a), offset + int(b)) for a, b in zip(starts, ends, strict=True)]


def _pair(name: str, values: Sequence[tuple[float, float]]) -> dict[str, float | None]:
    """Means of a figure and of its ceiling over the cases with both."""
    pairs = [pair for pair in values if not any(map(math.isnan, pair))]
    means = [sum(column) / len(pairs) for column in zip(*pairs, strict=True)] or [None, None]
    return {name: means[0], f"{name}_ceiling": means[1]}
