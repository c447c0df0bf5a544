"""Glasses as lines round the eyes, over the nose and back to the ears."""

from dataclasses import dataclass

import numpy as np

from .attributes import Person

# Linear RGB: black, tortoiseshell, metal, navy.
FRAMES = ((0.012, 0.012, 0.014), (0.06, 0.03, 0.015), (0.16, 0.15, 0.13), (0.02, 0.03, 0.07))
POINTS = 12


@dataclass(frozen=True, kw_only=True)
class Glasses:
    """A frame: lines [n, POINTS, 3] in the upright head, colour and width in pixels."""

    lines: np.ndarray
    colour: np.ndarray
    width: int


def fit_glasses(person: Person, eyes: dict[str, tuple[np.ndarray, float]]) -> Glasses | None:
    """Glasses that fit a person's eyes, or None for somebody without."""
    if not person.glasses:
        return None
    rng = np.random.default_rng((person.seed, 7))
    wide, tall, square = rng.uniform(0.245, 0.28), rng.uniform(0.18, 0.23), rng.uniform(2.2, 4)
    front = max(eyes["left"][0][2], eyes["right"][0][2]) + 0.34

    def depth(x: np.ndarray | float) -> np.ndarray | float:
        return front - 0.22 * (x / 0.6) ** 2

    lines = []
    for side, sign in (("left", 1), ("right", -1)):
        centre = eyes[side][0]
        turn = np.linspace(0, 2 * np.pi, 4 * (POINTS - 1) + 1)
        # A superellipse: round to rectangular lenses.
        across = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** (2 / square) * wide
        up = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** (2 / square) * tall
        x = centre[0] + sign * 0.02 + across
        rim = np.stack([x, centre[1] - 0.03 + up, depth(x)], 1)
        lines += [rim[k * (POINTS - 1) : (k + 1) * (POINTS - 1) + 1] for k in range(4)]
        start = centre[0] + sign * (wide + 0.02)
        temple = np.linspace((start, centre[1] + 0.05, depth(start)), (sign * 0.8, 0, 0.15), POINTS)
        temple[:, 1] = np.linspace(centre[1] + 0.05, centre[1] + 0.02, POINTS)
        lines.append(temple)
    centre = eyes["left"][0]
    half = centre[0] - wide + 0.03
    x = np.linspace(-half, half, POINTS)
    arch = centre[1] + 0.02 + 0.03 * np.cos(1.5 * x / half)
    lines.append(np.stack([x, arch, depth(x) + 0.01], 1))
    return Glasses(
        lines=np.stack(lines).astype(np.float32),
        colour=np.float32(FRAMES[rng.integers(len(FRAMES))]),
        width=int(rng.choice([3, 4])),
    )
