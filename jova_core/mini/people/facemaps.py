"""Where brows, beard and scalp hair lie, as formulas over (angle, height) of the base mesh.

Legend: A angle round the head's axis in radians (0 = front, + = the person's left), Y canonical
height in units of 10 cm; both arrays of one shape. Eyes are at Y 7.3, the mouth at 6.6, the crown
at 8.5. The numbers are ours, read off the base mesh.
"""

from dataclasses import dataclass

import numpy as np

from .attributes import Person

# The natural hair line: height over the angle from the front to the nape.
LINE_ANGLES = (0, 0.3, 0.52, 0.66, 0.78, 0.90, 1.05, 1.16, 1.42, 1.52, 1.95, 2.05, 2.3, 3.15)
LINE_HEIGHTS = (
    *(7.93, 7.94, 7.93, 7.80, 7.60, 7.44, 7.28, 7.08, 7.08, 7.36, 7.30, 6.95, 6.62, 6.45),
)
BROW_START, BROW_LENGTH = 0.075, 0.37


@dataclass(frozen=True, kw_only=True)
class FaceMaps:
    """The brows, beard and hair line of one person."""

    thickness: float
    raised: float
    arch: float
    beard: str
    style: str
    line: float  # how far the hair line is raised

    def brow_line(self, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Height and half thickness of a brow at `share` 0 (inner end) .. 1 (outer end)."""
        bow = np.sin(np.pi * np.clip(share / 1.15, 0, 1)) ** 1.3
        height = 7.455 + self.raised + self.arch * bow - 0.078 * np.clip(share - 0.6, 0, 1)
        taper = np.clip(1.15 - 0.85 * share**2.2, 0.15, 1) * np.clip(0.55 + share * 4, 0, 1)
        return height, self.thickness * taper

    def brow(self, angle: np.ndarray, height: np.ndarray) -> np.ndarray:
        """Density 0..1 of the brows."""
        share = np.clip((np.abs(angle) - BROW_START) / BROW_LENGTH, -0.2, 1.2)
        middle, half = self.brow_line(np.clip(share, 0, 1))
        across = np.exp(-(np.abs((height - middle) / half) ** 2.5))
        return across * np.clip((share + 0.05) / 0.12, 0, 1) * np.clip((1.04 - share) / 0.15, 0, 1)

    def beard_area(self, angle: np.ndarray, height: np.ndarray) -> np.ndarray:
        """Density 0..1 of the beard or its shadow."""
        side = np.abs(angle)
        top = 6.62 + 0.28 * np.clip((side - 0.35) / 0.8, 0, 1) ** 1.2
        top -= 0.10 * np.exp(-(((side - 0.3) / 0.12) ** 2))
        cheeks = _step(top - height, 0.035) * _step(height - 5.98, 0.05)
        cheeks *= np.clip((1.55 - side) / 0.25, 0, 1)
        lip_line = height - 6.745 + 0.25 * np.clip(side - 0.1, 0, 1)
        moustache = np.exp(-((lip_line / 0.05) ** 4)) * np.clip((0.27 - side) / 0.06, 0, 1)
        mouth = np.exp(-(((height - 6.60) / 0.085) ** 4) - (side / 0.19) ** 4)
        area = np.maximum(cheeks, moustache) * (1 - mouth)
        if self.beard == "goatee":
            area = area * np.clip((0.32 - side) / 0.06, 0, 1)
        return np.clip(area, 0, 1)

    def hairline(self, angle: np.ndarray) -> np.ndarray:
        """Height of the hair line at an angle."""
        front = np.clip((0.9 - np.abs(angle)) / 0.3, 0, 1)
        return np.interp(np.abs(angle), LINE_ANGLES, LINE_HEIGHTS) + self.line * front

    def scalp(self, angle: np.ndarray, height: np.ndarray, edge: float = 0.035) -> np.ndarray:
        """Density 0..1 of the hair's roots."""
        density = _step(height - self.hairline(angle), edge)
        if self.style in ("receding", "bald"):
            low = 7.9 if self.style == "receding" else 7.62
            crown = np.clip((height - low) / 0.12, 0, 1)
            sides = np.clip((1.9 - np.abs(angle)) / 0.3 + 9 * (height > 8.35), 0, 1)
            if self.style == "bald":
                sides = np.ones_like(sides)
            density = density * (1 - crown * sides) * (height < 8.3)
            density = density * np.clip((np.abs(angle) - 0.75) / 0.2, 0, 1)
        return density


def draw_maps(person: Person) -> FaceMaps:
    """The maps of a person, by the person's seed alone."""
    rng = np.random.default_rng((person.seed, 2))
    man = person.man
    return FaceMaps(
        thickness=rng.uniform(0.028, 0.042) if man else rng.uniform(0.017, 0.026),
        raised=rng.uniform(-0.03, 0.01) if man else rng.uniform(0.0, 0.035),
        arch=rng.uniform(0.0, 0.025) if man else rng.uniform(0.03, 0.06),
        beard=person.beard,
        style=person.hair_style,
        line=rng.uniform(-0.05, 0.04) if man else rng.uniform(-0.12, -0.03),
    )


def _step(distance: np.ndarray, softness: float) -> np.ndarray:
    """0 below, 1 above zero, in a soft step."""
    return 1 / (1 + np.exp(-np.clip(distance / softness, -30, 30)))
