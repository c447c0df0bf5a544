"""Drawing of charts: a sheet, axes, a pen with one font, and colours for colour-blind eyes too.

Everything is drawn ZOOM times larger and averaged: Pillow's lines have hard edges.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

WIDTH, HEIGHT = 768, 480
FONT_SIZE = 14
ZOOM = 2
TICKS = 9  # at most, on a time axis

Colour = tuple[int, int, int]
# Okabe and Ito's colours, which stay apart for colour-blind eyes; line and area differ as well.
LIPS: Colour = (0, 114, 178)
VOICE: Colour = (213, 94, 0)
VOICE_AREA: Colour = (250, 222, 200)
BEST: Colour = (0, 158, 115)
INK: Colour = (40, 40, 40)
GRID: Colour = (222, 222, 222)
PAPER: Colour = (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class Axes:
    """A rectangle in pixels of the enlarged drawing and the values at its edges."""

    box: tuple[float, float, float, float]  # left, top, right, bottom
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a point in the drawing."""
        left, top, right, bottom = self.box
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return left + across * (right - left), bottom - up * (bottom - top)


@dataclass(frozen=True, kw_only=True)
class Pen:
    """Pillow's drawing context with one font; `text` anchors are Pillow's."""

    draw: Any
    font: Any

    def text(self, place: tuple[float, float], words: str, anchor: str, colour: Colour) -> None:
        """Words at a place of the drawing."""
        self.draw.text(place, words, fill=colour, font=self.font, anchor=anchor)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: float) -> None:
        """A line of `width` pixels of the picture."""
        self.draw.line(points, fill=colour, width=round(width * ZOOM), joint="curve")

    def dot(self, centre: tuple[float, float], radius: float, colour: Colour) -> None:
        """A dot of `radius` pixels of the picture."""
        x, y, r = *centre, radius * ZOOM
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def sheet() -> tuple[Any, Pen]:
    """An empty picture and a pen on it."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH * ZOOM, HEIGHT * ZOOM), PAPER)
    font = ImageFont.load_default(size=FONT_SIZE * ZOOM)
    return image, Pen(draw=ImageDraw.Draw(image), font=font)


def draw_axes(
    pen: Pen, axes: Axes, label: str, x_ticks: Sequence[float], y_ticks: dict[float, str]
) -> None:
    """Grid, ticks and their labels; the frame comes last, over the curves."""
    left, top, right, bottom = axes.box
    for value in x_ticks:
        x = axes.at(value, 0)[0]
        pen.line([(x, top), (x, bottom + 5 * ZOOM)], GRID, 1)
        pen.text((x, bottom + 7 * ZOOM), f"{value:g}", "ma", INK)
    for value, words in y_ticks.items():
        y = axes.at(0, value)[1]
        pen.line([(left - 5 * ZOOM, y), (right, y)], GRID, 1)
        pen.text((left - 8 * ZOOM, y), words, "rm", INK)
    pen.text(((left + right) / 2, bottom + 25 * ZOOM), label, "ma", INK)


def legend(pen: Pen, left: float, words: str, colour: Colour, area: Colour | None = None) -> None:
    """The name of a line, above the axes."""
    if area:
        pen.draw.rectangle(scaled(left, 12, left + 24, 26), fill=area)
    pen.line([scaled(left, 18), scaled(left + 24, 18)], colour, 2.5)
    pen.text(scaled(left + 32, 18), words, "lm", INK)


def ticks(low: float, high: float) -> list[float]:
    """Round values from low to high, at most TICKS of them, 0 among them."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if factor * power >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(i * step, 9) for i in range(first, last + 1)]


def to_picture(image: Any) -> Tensor:
    """The drawing as uint8 [HEIGHT, WIDTH, 3]."""
    return torch.from_numpy(np.array(image.reduce(ZOOM)))


def scaled(*pixels: float) -> tuple[float, ...]:
    """Pixels of the picture as pixels of the drawing."""
    return tuple(ZOOM * value for value in pixels)
