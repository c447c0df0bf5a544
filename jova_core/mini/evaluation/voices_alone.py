"""`jova eval-mini --people --voices-alone`: what the audio branch says by itself, without pictures.

For judging an audio branch that is trained apart: it takes seconds where clips take minutes, and
phrases of the plan that nobody has spoken yet. It is no measure of clips.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...flow.solvers import SOLVERS
from ...latents import denormalise, draw_noise
from ...pipeline import JoVAPipeline, SampleSettings
from ...prompt import Prompt
from ..data.people_clips import FPS, FRAME_COUNTS, LEAD_SECONDS, TAIL_SECONDS, Split
from ..people import draw_person
from ..text.pronounce import pronounce
from ..voices.cache import read_plan
from ..voices.cast import audio_caption, find_voice
from .alone import alone_velocity
from .evaluate import mean
from .listening import heard_phonemes, heard_words, is_audible, naturalness, phoneme_errors
from .words import words_right, words_right_shuffled


@dataclass(frozen=True, kw_only=True)
class Line:
    """A phrase to be said: its prompt, words, phones without stress, and the clip's frames."""

    prompt: Prompt
    words: list[str]
    phones: list[str]
    frames: int


def lines_to_say(voices: Path, split: Split, limit: int, seed: int = 0) -> list[Line]:
    """The first `limit` phrases of a split that fit in a clip, at their voices' usual pace."""
    lines: list[Line] = []
    for said in read_plan(voices).values():
        if said.split != split or len(lines) == limit:
            continue
        voice = find_voice(said.voice)
        phones = [phone.rstrip("012") for word in said.words for phone in pronounce(word)]
        seconds = LEAD_SECONDS + len(phones) / (voice.pace * said.tempo) + TAIL_SECONDS
        frames = next((count for count in FRAME_COUNTS if count >= seconds * FPS), None)
        if frames is None:
            continue
        prompt = Prompt(
            video_caption=draw_person(seed + len(lines), sex=voice.sex).caption,
            audio_caption=audio_caption(said.voice, said.tempo),
            transcript=said.text,
        )
        lines.append(Line(prompt=prompt, words=list(said.words), phones=phones, frames=frames))
    return lines


@torch.inference_mode()
def say(
    pipeline: JoVAPipeline, lines: Sequence[Line], settings: SampleSettings
) -> list[np.ndarray]:
    """Waves `[N]` of the lines, those of one length sampled at once."""
    config, waves = pipeline.config, [np.zeros(0, np.float32)] * len(lines)
    sigmas = settings.sigmas(config)
    for frames in sorted({line.frames for line in lines}):
        rows = [n for n, line in enumerate(lines) if line.frames == frames]
        velocity = alone_velocity(pipeline, [lines[n].prompt for n in rows], settings.cfg_audio)
        length = pipeline.timeline.audio_latents(frames)
        noise = draw_noise(None, (len(rows), config.audio.channels, length), settings.seed)
        latents = SOLVERS[settings.solver](velocity, noise, sigmas)
        made: Tensor = pipeline.codecs.audio.decode(denormalise(config, latents).audio)
        for n, wave in zip(rows, made.clamp(-1, 1), strict=True):
            waves[n] = wave.numpy()
    return waves


def evaluate_voices(
    lines: Sequence[Line],
    waves: Sequence[np.ndarray],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Words, phonemes and naturalness of the waves, by judges that nobody here trained."""
    heard, edits, natural = [], 0, []
    for n, (line, wave) in enumerate(zip(lines, waves, strict=True), 1):
        loud = is_audible(wave)
        heard.append(heard_words(wave) if loud else [])
        edits += phoneme_errors(line.phones, heard_phonemes(wave) if loud else [])
        natural.append(naturalness(wave) if loud else math.nan)
        if progress:
            progress(n, len(lines))
    wanted = [line.words for line in lines]
    return {
        "voices": len(lines),
        "words": words_right(wanted, heard),
        "words_shuffled": words_right_shuffled(wanted, heard),
        "phoneme_errors": edits / max(1, sum(len(line.phones) for line in lines)),
        "naturalness": mean(natural),
        "heard": [" ".join(words) for words in heard],
        "wanted": [" ".join(words) for words in wanted],
    }
