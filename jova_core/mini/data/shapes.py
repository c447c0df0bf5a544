"""The parts of the drawing: polygons in head coordinates, put on the picture by a pose.

Head coordinates are pixels of a 96 × 96 picture, origin in the middle of the face, y downwards.
"""

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Colour = tuple[int, int, int]
MAX_OPENING = 14.0
MOUTH_Y = 18.5
EYE_X, EYE_Y = 11.0, -3.5
DARK_MOUTH: Colour = (70, 16, 24)
TEETH: Colour = (250, 248, 244)
TONGUE: Colour = (224, 104, 112)


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where a part lies: origin (px), tilt (radians), scale, and zoom of the canvas."""

    x: float
    y: float
    tilt: float
    scale: float
    zoom: int

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points [N, 2] in head coordinates as pixels [N, 2] of the picture."""
        c, s = math.cos(self.tilt) * self.scale, math.sin(self.tilt) * self.scale
        return points @ np.array(((c, s), (-s, c))) + (self.x, self.y)

    def canvas(self, points: np.ndarray) -> list[float]:
        """Points [N, 2] as the flat list of canvas coordinates that PIL draws fastest."""
        return (self.apply(points) * self.zoom).ravel().tolist()

    def box(self, points: np.ndarray) -> tuple[float, float, float, float]:
        """The box (x0, y0, x1, y1) in picture pixels around points [N, 2]."""
        placed = self.apply(points)
        (x0, y0), (x1, y1) = placed.min(axis=0), placed.max(axis=0)
        return float(x0), float(y0), float(x1), float(y1)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour `share` of the way from first to second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


@functools.lru_cache(maxsize=256)
def ellipse(x: float, y: float, rx: float, ry: float, points: int = 28) -> np.ndarray:
    """An ellipse around (x, y) as points [N, 2]."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack((x + rx * np.cos(angle), y + ry * np.sin(angle)), axis=1)


def smooth(points: tuple[tuple[float, float], ...], steps: int = 5) -> np.ndarray:
    """A closed curve [N, 2] through the given points (Catmull-Rom)."""
    p1 = np.array(points, dtype=np.float64)
    p0, p2, p3 = np.roll(p1, 1, 0), np.roll(p1, -1, 0), np.roll(p1, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (p[:, None, :] for p in (p0, p1, p2, p3))
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return curve.reshape(-1, 2)


@functools.lru_cache(maxsize=64)
def cached_smooth(points: tuple[tuple[float, float], ...]) -> np.ndarray:
    """`smooth`, remembered: most outlines never change."""
    return smooth(points)


def mirrored(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """A right half (top to bottom) closed by its mirror image."""
    left = tuple((-x, y) for x, y in reversed(points) if abs(x) > 1e-6)
    return points + left


FACE = mirrored(
    (
        (0, -31),
        (13, -29),
        (22, -20),
        (25.5, -6),
        (25, 6),
        (22.5, 16),
        (17, 25.5),
        (9, 31.5),
        (0, 33),
    )
)


def moved(points: np.ndarray, x: float, y: float) -> np.ndarray:
    """Points [N, 2] moved by (x, y)."""
    return points + np.array((x, y))


def widen(points: np.ndarray, width: float) -> np.ndarray:
    """Points [N, 2] stretched sideways."""
    return points * (width, 1.0)


def draw_body(draw: "ImageDraw", pose: Pose, skin: Colour, shirt: Colour, collar: int) -> None:
    """Neck, shoulders and a collar: 0 round, 1 V, 2 turned down."""
    shade = mix(skin, (60, 20, 20), 0.28)
    shoulders = cached_smooth(
        (
            (0, 34),
            (11, 34.5),
            (24, 38),
            (38, 43),
            (46, 56),
            (46, 76),
            (-46, 76),
            (-46, 56),
            (-38, 43),
            (-24, 38),
            (-11, 34.5),
        )
    )
    draw.polygon(pose.canvas(shoulders), fill=shirt)
    shadow = mix(shirt, (0, 0, 0), 0.18) if sum(shirt) > 150 else mix(shirt, (255, 255, 255), 0.12)
    neck = ((-10, 10), (10, 10), (10.5, 36), (7, 41), (0, 43), (-7, 41), (-10.5, 36))
    if collar == 1:
        neck = ((-10, 10), (10, 10), (11, 36), (0, 49), (-11, 36))
    band = np.array(neck, dtype=np.float64) * (1.22, 1.0) + (0, 1.8)
    draw.polygon(pose.canvas(band), fill=shadow)
    draw.polygon(pose.canvas(np.array(neck, dtype=np.float64)), fill=shade)
    if collar == 2:
        for side in (-1, 1):
            flap = np.array(((9, 33), (15, 36), (12, 46), (2, 42)), dtype=np.float64)
            draw.polygon(pose.canvas(flap * (side, 1)), fill=shadow)


def draw_head(draw: "ImageDraw", pose: Pose, width: float, jaw: float, skin: Colour) -> None:
    """Ears, face with shading, cheeks and nose; `jaw` px drop the chin."""
    shade, light = mix(skin, (110, 30, 20), 0.22), mix(skin, (255, 240, 225), 0.22)
    for side in (-1, 1):
        draw.polygon(pose.canvas(ellipse(side * 25.5 * width, 2, 4.5, 6.5)), fill=skin)
        draw.polygon(pose.canvas(ellipse(side * 26 * width, 2.5, 2.3, 4)), fill=shade)
    face = widen(cached_smooth(FACE), width).copy()
    face[:, 1] += jaw * np.clip((face[:, 1] - 4) / 28, 0, 1)
    draw.polygon(pose.canvas(face), fill=shade)
    draw.polygon(pose.canvas(face * (0.965, 0.965) + (-0.3, -0.9)), fill=skin)
    draw.polygon(pose.canvas(ellipse(-1, -17, 13, 6)), fill=mix(skin, light, 0.5))
    blush = mix(skin, (226, 72, 72), 0.20)
    for side in (-1, 1):
        draw.polygon(
            pose.canvas(ellipse(side * 16.5 * width, 9, 4.6, 3.2)), fill=mix(skin, blush, 0.5)
        )
        draw.polygon(pose.canvas(ellipse(side * 16.5 * width, 9, 3.2, 2.2)), fill=blush)
    nose = cached_smooth(((-1.2, -3), (1.0, -3), (2.2, 4), (4.2, 8), (0, 10), (-4.2, 8), (-2.2, 4)))
    draw.polygon(pose.canvas(nose), fill=mix(skin, shade, 0.5))
    draw.polygon(pose.canvas(ellipse(0, 6.2, 2.2, 2.0)), fill=light)
    for side in (-1, 1):
        draw.polygon(
            pose.canvas(ellipse(side * 2.3, 9.0, 1.1, 0.7)), fill=mix(skin, (50, 10, 10), 0.55)
        )


def draw_eyes(
    draw: "ImageDraw", pose: Pose, skin: Colour, iris: Colour, *, blink: float, gaze: float
) -> None:
    """Two eyes; blink 1 shuts them, gaze moves the iris sideways (px)."""
    lid, line = mix(skin, (110, 30, 20), 0.16), mix(skin, (30, 16, 16), 0.85)
    height = 4.3 * (1 - blink)
    x = np.linspace(-6.2, 6.2, 13)
    arch = 1 - (x / 6.2) ** 2
    for side in (-1, 1):
        centre = np.array((side * EYE_X, EYE_Y))
        socket = ellipse(side * EYE_X, EYE_Y - 0.6, 7.2, 5.4)
        draw.polygon(pose.canvas(socket), fill=lid)
        upper = np.stack((x, -height * arch**0.75), axis=1)
        lower = np.stack((x[::-1], 3.0 * arch**0.8), axis=1)
        if blink < 0.9:
            draw.polygon(pose.canvas(np.concatenate((upper, lower)) + centre), fill=(252, 252, 252))
            ex, ey = side * EYE_X + gaze, EYE_Y - 0.4
            clip = min(1.0, height / 3.6)
            draw.polygon(pose.canvas(ellipse(0, 0, 3.3, 3.3) * (1, clip) + (ex, ey)), fill=iris)
            draw.polygon(
                pose.canvas(ellipse(0, 0, 1.8, 1.8) * (1, clip) + (ex, ey)), fill=(16, 12, 16)
            )
            draw.polygon(
                pose.canvas(ellipse(-1.1, -1.2, 0.9, 0.9, 10) * (1, clip) + (ex, ey)),
                fill=(255, 255, 255),
            )
            edge = upper
        else:
            edge = np.stack((x, 2.4 * arch), axis=1)
        lash = np.concatenate((edge - (0, 1.2), moved(edge[::-1], 0, 0.4))) + centre
        draw.polygon(pose.canvas(lash), fill=line)


def draw_brows(draw: "ImageDraw", pose: Pose, colour: Colour, weight: float, lift: float) -> None:
    """Two brows of a weight, lifted by px."""
    x = np.linspace(-6.5, 6.5, 9)
    for side in (-1, 1):
        arch = -2.0 * (1 - (x / 6.5) ** 2) + 0.08 * x * side
        top = np.stack((x, arch - weight), axis=1)
        low = np.stack((x[::-1], arch[::-1] + 0.8 * weight), axis=1)
        points = moved(np.concatenate((top, low)), side * (EYE_X + 0.3), EYE_Y - 8.0 - lift)
        draw.polygon(pose.canvas(points), fill=colour)


@dataclass(frozen=True, kw_only=True)
class MouthOutline:
    """Polygons of a mouth in head coordinates, and its inner opening and width in px."""

    outer: np.ndarray
    inner: np.ndarray
    teeth: np.ndarray | None
    tongue: np.ndarray | None
    line: np.ndarray
    opening: float
    inner_width: float


def mouth_outline(
    rest_width: float, *, opening: float, width: float, teeth: float, tongue: float, bite: float
) -> MouthOutline:
    """The mouth of the given shape (0..1 each); `rest_width` px is its width at rest."""
    narrow = 1.0 - 2.0 * min(width, 0.5)
    gap = MAX_OPENING * opening
    outer_half = 0.5 * rest_width * (1.0 + 0.34 * (max(width, 0.5) - 0.5) - 0.44 * narrow)
    inner_half = outer_half - 1.6 - 0.6 * narrow
    u = np.linspace(-1, 1, 25)
    arch = (1 - u**2) ** (0.62 - 0.12 * narrow)
    corner = -2.3 * (1 - narrow) * (np.abs(u) ** 2.2)
    top = MOUTH_Y - 0.30 * gap * arch + corner
    low = MOUTH_Y + 0.70 * gap * arch + corner
    lip_arch = (1 - u**2) ** 0.5
    bow = 1.0 - 0.30 * np.exp(-((u / 0.16) ** 2)) * (1 - narrow)
    upper_lip = (2.7 + 0.5 * narrow) * lip_arch * bow
    lower_lip = (3.5 + 0.4 * narrow - 1.6 * bite) * lip_arch
    xi, xo = inner_half * u, outer_half * u
    outer = np.concatenate(
        (np.stack((xo, top - upper_lip), 1), np.stack((xo, low + lower_lip), 1)[::-1])
    )
    inner = np.concatenate((np.stack((xi, top), 1), np.stack((xi, low), 1)[::-1]))
    teeth_low = np.minimum(low, top + (1.2 + 2.8 * teeth + 3.0 * bite) * arch)
    teeth_shape = np.concatenate((np.stack((xi, top), 1), np.stack((xi, teeth_low), 1)[::-1]))
    tongue_top = np.maximum(top + 0.15 * gap * arch, low - (0.25 + 0.5 * tongue) * gap * arch)
    xt = xi * 0.8
    tongue_shape = np.concatenate((np.stack((xt, tongue_top), 1), np.stack((xt, low), 1)[::-1]))
    middle = np.stack((xi, top), 1)
    return MouthOutline(
        outer=outer,
        inner=inner,
        teeth=teeth_shape if teeth > 0.15 else None,
        tongue=tongue_shape if tongue > 0.15 else None,
        line=np.concatenate((middle - (0, 0.5), moved(middle[::-1], 0, 0.5))),
        opening=gap,
        inner_width=2 * inner_half,
    )


def draw_mouth(draw: "ImageDraw", pose: Pose, mouth: MouthOutline, lips: Colour) -> None:
    """Lips, the dark inside, teeth and tongue; closed lips are a line."""
    draw.polygon(pose.canvas(mouth.outer), fill=lips)
    gloss = moved(ellipse(0, 0, 4.0, 0.9, 14), 0, float(mouth.outer[:, 1].max()) - 1.9)
    draw.polygon(pose.canvas(gloss), fill=mix(lips, (255, 255, 255), 0.28))
    if mouth.opening < 0.3:
        draw.polygon(pose.canvas(mouth.line), fill=DARK_MOUTH)
        return
    draw.polygon(pose.canvas(mouth.inner), fill=DARK_MOUTH)
    if mouth.tongue is not None:
        draw.polygon(pose.canvas(mouth.tongue), fill=TONGUE)
    if mouth.teeth is not None:
        draw.polygon(pose.canvas(mouth.teeth), fill=TEETH)
