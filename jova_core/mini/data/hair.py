"""Hair styles and a hat: what lies behind the face and what falls over it."""

import math
from typing import TYPE_CHECKING

import numpy as np

from .shapes import Colour, Pose, cached_smooth, ellipse, mirrored, mix, widen

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw


def draw_back_hair(draw: "ImageDraw", pose: Pose, style: str, width: float, colour: Colour) -> None:
    """The hair behind the face."""
    dark = mix(colour, (0, 0, 0), 0.22)
    outline = _BACK_HAIR.get(style)
    if outline is not None:
        draw.polygon(pose.canvas(widen(cached_smooth(outline), width)), fill=dark)
    if style == "curly":
        for x, y, r in _CURLS:
            draw.polygon(pose.canvas(ellipse(x * width, y, r, r, 20)), fill=dark)


def draw_front_hair(
    draw: "ImageDraw", pose: Pose, style: str, width: float, colour: Colour
) -> None:
    """The hair over the forehead, with a lighter streak."""
    outline = (
        cached_smooth(_FRONT_HAIR[style]) if style != "spiky" else np.array(_FRONT_HAIR[style])
    )
    draw.polygon(pose.canvas(widen(outline, width)), fill=colour)
    if style == "curly":
        for x, y, r in _CURLS[:9]:
            draw.polygon(
                pose.canvas(ellipse(x * 0.86 * width, y * 0.90, r * 0.8, r * 0.8, 20)), fill=colour
            )
    shine = cached_smooth(((-17, -27), (-8, -32), (2, -33), (-8, -29.5)))
    draw.polygon(pose.canvas(widen(shine, width)), fill=mix(colour, (255, 255, 255), 0.22))


def draw_hat(draw: "ImageDraw", pose: Pose, width: float, colour: Colour) -> None:
    """A round hat with a darker brim, over the hair."""
    draw.polygon(pose.canvas(widen(cached_smooth(_HAT), width)), fill=colour)
    brim = widen(ellipse(0, -20, 33, 4.2), width)
    draw.polygon(pose.canvas(brim), fill=mix(colour, (0, 0, 0), 0.25))


_HAT = mirrored(((0, -45), (14, -43), (25, -34), (28, -22), (20, -19), (0, -18)))
_CURLS = tuple(
    (28 * math.sin(a), -12 - 25 * math.cos(a), 8.0)
    for a in (-1.2, -0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9, 1.2, -1.6, 1.6)
)
_BACK_HAIR = {
    "bob": mirrored(
        ((0, -38), (18, -35), (29, -20), (31, 0), (32, 18), (27, 28), (16, 30), (0, 26))
    ),
    "long": mirrored(
        ((0, -38), (18, -35), (29, -20), (31, 0), (33, 22), (35, 44), (22, 48), (0, 40))
    ),
    "short": mirrored(((0, -38), (16, -36), (27, -24), (28, -6), (25, 0), (0, 0))),
    "parted": mirrored(((0, -38), (16, -36), (27, -24), (28, -4), (26, 4), (0, 4))),
    "spiky": mirrored(((0, -36), (16, -34), (27, -22), (28, -6), (25, 0), (0, 0))),
}
_FRONT_HAIR = {
    "short": (
        (-27, -4),
        (-28, -20),
        (-19, -34),
        (0, -39),
        (19, -34),
        (28, -20),
        (27, -4),
        (24, -14),
        (17, -21),
        (6, -20),
        (-6, -21),
        (-17, -20),
        (-24, -13),
    ),
    "parted": (
        (-27, -2),
        (-28, -20),
        (-19, -34),
        (0, -39),
        (19, -34),
        (28, -20),
        (27, -2),
        (24, -12),
        (16, -22),
        (-6, -27),
        (-12, -20),
        (-20, -15),
        (-24, -10),
    ),
    "bob": (
        (-28, 8),
        (-29, -18),
        (-19, -34),
        (0, -39),
        (19, -34),
        (29, -18),
        (28, 8),
        (25, -4),
        (22, -16),
        (10, -19),
        (0, -18),
        (-10, -19),
        (-22, -16),
        (-25, -4),
    ),
    "long": (
        (-29, 14),
        (-29, -18),
        (-19, -34),
        (0, -39),
        (19, -34),
        (29, -18),
        (29, 14),
        (25, -2),
        (20, -16),
        (8, -26),
        (0, -31),
        (-8, -26),
        (-20, -16),
        (-25, -2),
    ),
    "curly": (
        (-26, -8),
        (-27, -22),
        (-17, -34),
        (0, -38),
        (17, -34),
        (27, -22),
        (26, -8),
        (22, -17),
        (12, -22),
        (0, -23),
        (-12, -22),
        (-22, -17),
    ),
    "spiky": (
        (-27, -4),
        (-31, -20),
        (-25, -22),
        (-25, -35),
        (-16, -31),
        (-10, -42),
        (-3, -34),
        (5, -44),
        (10, -34),
        (19, -38),
        (20, -30),
        (29, -30),
        (27, -20),
        (31, -14),
        (27, -4),
        (23, -16),
        (17, -22),
        (11, -18),
        (6, -23),
        (-1, -18),
        (-6, -23),
        (-12, -18),
        (-17, -22),
        (-23, -15),
    ),
}
