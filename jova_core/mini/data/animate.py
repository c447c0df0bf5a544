"""Moves a character through a clip: head, eyelids, brows and the mouth that speaks."""

from dataclasses import replace

import numpy as np

from .character import Character, FrameState, Picture, draw_character, render
from .script import FPS, Script
from .visemes import MouthTrack, frame_times, mouth_track

BLINK_EVERY_SECONDS = 2.2
# Closed share of the eye in the frames of a blink.
BLINK_SHAPE = (0.6, 1.0, 0.5)


def slow_wave(rng: np.random.Generator, times: np.ndarray, amplitude: float) -> np.ndarray:
    """A smooth random motion [F] within ±amplitude: two slow sine waves."""
    frequencies = rng.uniform(0.12, 0.45, size=2)
    phases = rng.uniform(0, 2 * np.pi, size=2)
    waves = np.sin(2 * np.pi * frequencies[:, None] * times + phases[:, None])
    return amplitude * (0.65 * waves[0] + 0.35 * waves[1])


def blinks(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Eyelids [F] in 0..1, with a blink every couple of seconds at random."""
    lids = np.zeros(frames + len(BLINK_SHAPE))
    at = int(rng.exponential(BLINK_EVERY_SECONDS) * FPS)
    while at < frames:
        lids[at : at + len(BLINK_SHAPE)] = BLINK_SHAPE
        at += len(BLINK_SHAPE) + 4 + int(rng.exponential(BLINK_EVERY_SECONDS) * FPS)
    return lids[:frames]


def act(rng: np.random.Generator, script: Script, *, hat: bool = False) -> list[Picture]:
    """The pictures of a script: somebody of its looks says its words."""
    look = {**script.attributes, "shirt": script.drawn_shirt}
    character = replace(draw_character(rng, **look), hat=hat)
    mouth = mouth_track(script.phonemes, script.audio, script.frames, FPS)
    return animate(rng, character, mouth, script.frames)


def animate(
    rng: np.random.Generator, character: Character, mouth: MouthTrack, frames: int
) -> list[Picture]:
    """The pictures of a clip: random small motion, nods and brows that follow the loudness."""
    times = frame_times(frames, FPS)
    stress = np.convolve(np.pad(np.minimum(mouth.loudness, 1.2), 2, mode="edge"), np.ones(5) / 5)
    stress = stress[4 : 4 + frames]
    shift_x, shift_y = slow_wave(rng, times, 2.2), slow_wave(rng, times, 1.4)
    shift_y = shift_y + rng.uniform(0.3, 1.3) * stress
    tilt = slow_wave(rng, times, np.radians(rng.uniform(1.0, 4.0)))
    brow = slow_wave(rng, times, 0.5) + rng.uniform(0.0, 1.6) * stress
    lids, gaze = blinks(rng, frames), rng.uniform(-0.5, 0.5) + slow_wave(rng, times, 0.7)
    return [
        render(
            character,
            FrameState(
                shift_x=float(shift_x[f]),
                shift_y=float(shift_y[f]),
                tilt=float(tilt[f]),
                blink=float(lids[f]),
                brow=float(brow[f]),
                gaze=float(gaze[f]),
                opening=float(mouth.opening[f]),
                width=float(mouth.width[f]),
                teeth=float(mouth.teeth[f]),
                tongue=float(mouth.tongue[f]),
                bite=float(mouth.bite[f]),
            ),
        )
        for f in range(frames)
    ]
