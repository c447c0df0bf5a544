"""Tasks on held-out films of people: a given voice, lip-sync, dub, extend; what is kept and joined.

The ceiling is the truth through the codecs. Legend: F frames, H W pixels, N samples, T latents.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from ... import tasks
from ...codecs import Codecs
from ...compositing import BORDER
from ...config import JoVAConfig
from ...given import Given
from ...mouth.area import mouth_area
from ...mouth.landmarks import LipDetector, LipTrack
from ...sync.correlation import speech_envelope, zero_lag_correlation
from ...timeline import Timeline
from ..data.people_clips import FPS
from ..data.people_source import PeopleSource
from .evaluate import Clip, copied, mean
from .identity import portrait_error
from .listening import SAMPLE_RATE, heard_words, is_audible, speaker
from .people import MakeFn, Truth
from .tasks import CLOSED
from .words import words_right

BILABIALS = ("B", "M", "P")
# Frames of a second around a join, against which the step at the join is held.
AROUND = 12
KEPT_SECONDS = 1.0  # of a film that goes on
FLUX_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True)
class FilmTasks:
    """Makes a clip for each task on a film and judges it; each method gives figures by name."""

    make: MakeFn
    source: PeopleSource
    config: JoVAConfig
    codecs: Codecs
    detector: LipDetector

    def evaluate(
        self,
        cases: Sequence[Truth],
        *,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Means over `cases`, NaN where nothing could be measured.

        voice_*: lips to the given true voice, against the true lips. lip_sync_*: to another clip's
        voice. dub_words: of another clip's transcript; dub_speaker: product of the voice with the
        film's. *_outside: largest difference (of 255) to
        the film outside the mouth's area. *_border: gradient along the area's soft border over that
        of the film in the same place, where it is worst. join_*: the step where a film goes on,
        over those around it. portrait_*: a clip that begins with a true first frame; how far its
        person is from that picture, in shape and colours, and the true film through the codecs.
        """
        rows = []
        for i, case in enumerate(cases):
            row = self.given_voice(case, seed + i) | self.extend(case, seed + i)
            row |= self.portrait(case, seed + i)
            other = next((c for c in (*cases[i + 1 :], *cases[:i]) if _fits(c, case)), None)
            if other is not None:
                row |= self.lip_sync(case, other, seed + i) | self.dub(case, other, seed + i)
            rows.append(row)
            if progress:
                progress(i + 1, len(cases))
        return _means(rows)

    def given_voice(self, case: Truth, seed: int) -> dict[str, float]:
        """The true voice is given, the pictures are made."""
        clip = case.clip
        made = self.make(clip.prompt, len(clip.frames), seed, Given(audio=clip.audio))
        true = self.detector.detect(clip.frames)
        ceiling = self.detector.detect(copied(clip.frames, clip.audio, self.codecs).frames)
        acted = self.detector.detect(made.frames)
        phones = [
            (phone.start, phone.end)
            for phone in self.source.phones(case.entry)
            if phone.name.rstrip("012") in BILABIALS
        ]
        row = {"voice_closed_truth": _closed_share(true, phones)}
        for name, track in (("", acted), ("_ceiling", ceiling)):
            row[f"voice_opening{name}"] = zero_lag_correlation(track.opening, true.opening)
            row[f"voice_width{name}"] = zero_lag_correlation(track.width, true.width)
            row[f"voice_closed{name}"] = _closed_share(track, phones)
        return row

    def lip_sync(self, case: Truth, other: Truth, seed: int) -> dict[str, float]:
        """The film of one clip speaks with the voice of another."""
        film, voice = case.clip, other.clip
        given = tasks.lip_sync(film.frames, voice.audio, film.mouth)
        prompt = replace(film.prompt, audio_caption="", transcript=voice.prompt.transcript)
        made = self.make(prompt, len(film.frames), seed, given)
        heard = speech_envelope(voice.audio, SAMPLE_RATE, FPS, len(film.frames))
        ceiling = self.detector.detect(copied(voice.frames, voice.audio, self.codecs).frames)
        lips = self.detector.detect(made.frames)
        return {
            "lip_sync": zero_lag_correlation(lips.opening, heard),
            "lip_sync_ceiling": zero_lag_correlation(ceiling.opening, heard),
            **_kept("lip_sync", film.frames, made, film.mouth),
        }

    def dub(self, case: Truth, other: Truth, seed: int) -> dict[str, float]:
        """The film of one clip says the words of another, in its own voice."""
        film = case.clip
        words = {"audio_caption": "", "transcript": other.clip.prompt.transcript}
        prompt = replace(film.prompt, **words)
        given = tasks.dub_in_voice(self.config, film.frames, film.audio, film.mouth)
        made = self.make(prompt, len(film.frames), seed, given)
        heard = speech_envelope(made.audio, SAMPLE_RATE, FPS, len(film.frames))
        lips = self.detector.detect(made.frames)
        return {
            "dub_words": words_right([other.words], [heard_words(made.audio.numpy())]),
            "dub_words_truth": words_right([other.words], [heard_words(other.clip.audio.numpy())]),
            "dub_sync": zero_lag_correlation(lips.opening, heard),
            "dub_speaker": _alike(made.audio, film.audio),
            **_kept("dub", film.frames, made, film.mouth),
        }

    def portrait(self, case: Truth, seed: int) -> dict[str, float]:
        """The first frame of a film is given as a portrait."""
        clip = case.clip
        first = clip.frames[0]
        made = self.make(clip.prompt, len(clip.frames), seed, Given(image=first)).frames
        ceiling = copied(clip.frames, clip.audio, self.codecs).frames
        row = {}
        for name, film in (("", made), ("_ceiling", ceiling)):
            shape, colour = portrait_error(film, first, self.detector)
            row |= {f"portrait_shape{name}": shape, f"portrait_colour{name}": colour}
        return row

    def extend(self, case: Truth, seed: int) -> dict[str, float]:
        """The first second of a film goes on."""
        line, clip = Timeline.of(self.config), case.clip
        frames, kept = len(clip.frames), line.legal_frames(KEPT_SECONDS)
        if frames <= kept:
            return {}
        beginning = clip.frames[:kept], clip.audio[: line.audio_samples(kept)]
        given = tasks.extend(self.config, *beginning, frames)
        made = self.make(clip.prompt, frames, seed, given)
        moves = made.frames.float().diff(dim=0).abs().flatten(1).mean(1)
        moment = round(float(line.seconds(kept)) / FLUX_SECONDS)
        return {
            "join_video": _step(moves, kept - 1),
            "join_audio": _step(_flux(made.audio), moment),
        }


def _alike(wave: Tensor, other: Tensor) -> float:
    """Product of two speakers; NaN where one of the waves is all but silent."""
    waves = [w.numpy() for w in (wave, other)]
    if not all(map(is_audible, waves)):
        return math.nan
    one, two = map(speaker, waves)
    return float(one @ two)


def _fits(other: Truth, case: Truth) -> bool:
    return len(other.clip.frames) == len(case.clip.frames)


def _kept(name: str, film: Tensor, made: Clip, mouth: Tensor) -> dict[str, float]:
    """How a film stays outside the mouth's area, and what is seen of the area's border."""
    ratio = film.shape[1] // mouth.shape[1]
    inside = mouth_area(mouth).repeat_interleave(ratio, 0).repeat_interleave(ratio, 1)
    changed = (made.frames.int() - film.int()).abs()
    return {
        f"{name}_outside": float(changed[:, ~inside].max()) if (~inside).any() else math.nan,
        f"{name}_border": max(
            _border(made.frames, ring) / max(1e-6, _border(film, ring)) for ring in _rings(inside)
        ),
    }


def _rings(inside: Tensor) -> list[Tensor]:
    """An area [H, W] and what is left of it as it shrinks over the width of its soft border."""
    rings = [inside]
    for _ in range(BORDER):
        outside = (~rings[-1]).float()[None]
        rings.append(max_pool2d(outside, 3, stride=1, padding=1)[0] == 0)
    return [ring for ring in rings if ring.any()]


def _border(frames: Tensor, inside: Tensor) -> float:
    """Mean difference of neighbouring pixels of which one lies inside an area [H, W]."""
    total, count = 0.0, 0
    for axis in (0, 1):
        crossing = inside.int().diff(dim=axis) != 0
        steps = frames.float().diff(dim=axis + 1).abs().mean(-1)
        total += float(steps[:, crossing].sum())
        count += int(crossing.sum()) * len(frames)
    return total / max(1, count)


def _step(steps: Tensor, at: int) -> float:
    """The step at a join over the mean of those around it."""
    around = torch.cat((steps[max(0, at - AROUND) : at], steps[at + 1 : at + 1 + AROUND]))
    return float(steps[at] / around.mean().clamp(min=1e-6)) if at < len(steps) else math.nan


def _flux(wave: Tensor) -> Tensor:
    """Change of the log spectrum from each `FLUX_SECONDS` to the next."""
    hop = round(FLUX_SECONDS * SAMPLE_RATE)
    window = torch.hann_window(2 * hop)
    spectrum = torch.stft(wave, 2 * hop, hop, window=window, return_complex=True).abs()
    return (spectrum + 1e-3).log().diff(dim=1).abs().mean(0)


def _closed_share(track: LipTrack, phones: Sequence[tuple[float, float]]) -> float:
    """Share of b, m and p during which, or a frame beside which, the lips close."""
    values = track.opening[torch.isfinite(track.opening)]
    if not phones or not len(values):
        return math.nan
    closed = track.opening < CLOSED * values.quantile(0.95)
    spans = [(math.floor(a * FPS), math.ceil(b * FPS)) for a, b in phones]
    return float(np.mean([bool(closed[max(0, a - 1) : b + 1].any()) for a, b in spans]))


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: mean([row[name] for row in rows if name in row]) for name in names}
