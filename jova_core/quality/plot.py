"""A picture of a clip's lip-sync: both tracks over time, and their correlation at every shift.

Legend: F video frames, H height and W width in pixels.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..config import JoVAError
from .report import largest_shift
from .sync import zero_lag_correlation

WIDTH, HEIGHT = 768, 480
FONT_SIZE = 14
# Drawn larger and averaged: Pillow's lines have hard edges.
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
class _Axes:
    """A rectangle in pixels of the enlarged drawing and the values at its edges."""

    box: tuple[float, float, float, float]  # left, top, right, bottom
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where the point lies in the drawing."""
        left, top, right, bottom = self.box
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return left + across * (right - left), bottom - up * (bottom - top)


@dataclass(frozen=True, kw_only=True)
class _Pen:
    """Pillow's drawing context with one font; `text` anchors are Pillow's."""

    draw: Any
    font: Any

    def text(self, place: tuple[float, float], words: str, anchor: str, colour: Colour) -> None:
        self.draw.text(place, words, fill=colour, font=self.font, anchor=anchor)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: float) -> None:
        self.draw.line(points, fill=colour, width=round(width * ZOOM), joint="curve")

    def dot(self, centre: tuple[float, float], radius: float, colour: Colour) -> None:
        x, y, r = *centre, radius * ZOOM
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def plot_sync(
    lips: Tensor,
    envelope: Tensor,
    *,
    fps: Fraction | float,
    offset_frames: int | None,
    max_frames: int | None = None,
) -> Tensor:
    """uint8 picture [480, 768, 3] of lip opening [F] and speech envelope [F]; NaN is a gap.

    Above both tracks over seconds, each scaled to its own range, below their correlation when the
    sound is shifted by up to `max_frames` (default as in `measure_sync`), with `offset_frames`
    marked. JoVAError for tracks of different lengths or without a frame.
    """
    if lips.ndim != 1 or lips.shape != envelope.shape or not len(lips):
        raise JoVAError(
            "A sync plot needs lips and envelope of the same length [F], F above 0; shapes "
            f"{list(lips.shape)} and {list(envelope.shape)} came."
        )
    shifts = max(max_frames or largest_shift(len(lips), fps), abs(offset_frames or 0))
    image, pen = _sheet()
    _plot_tracks(pen, _numbers(lips), _numbers(envelope), float(fps))
    curve = shift_curve(lips.cpu(), envelope.cpu(), shifts)
    _plot_curve(pen, curve.numpy(), float(fps), offset_frames)
    return torch.from_numpy(np.array(image.reduce(ZOOM)))


def shift_curve(lips: Tensor, envelope: Tensor, max_frames: int) -> Tensor:
    """Correlations float64 [2 * max_frames + 1] of lips[i] with envelope[i + k].

    k runs from -max_frames to max_frames, as in `best_offset`; NaN where there is none.
    """
    count = len(lips)
    values = [
        zero_lag_correlation(
            lips[max(0, -k) : max(0, count - k)], envelope[max(0, k) : max(0, count + k)]
        )
        for k in range(-max_frames, max_frames + 1)
    ]
    return torch.tensor(values, dtype=torch.float64)


def _plot_tracks(pen: _Pen, lips: np.ndarray, envelope: np.ndarray, fps: float) -> None:
    seconds = len(lips) / fps
    axes = _Axes(box=_scaled(54, 34, WIDTH - 18, 226), x=(0, seconds), y=(-0.06, 1.06))
    _draw_axes(pen, axes, "seconds", _ticks(0, seconds), {0.0: "least", 1.0: "most"})
    times = (np.arange(len(lips)) + 0.5) / fps
    floor = axes.at(0, axes.y[0])[1]
    for run in _runs(envelope):
        points = [axes.at(times[i], v) for i, v in zip(run, _fit(envelope)[run], strict=True)]
        if len(points) > 1:
            area = [(points[0][0], floor), *points, (points[-1][0], floor)]
            pen.draw.polygon(area, fill=VOICE_AREA)
        _draw_run(pen, points, VOICE)
    for run in _runs(lips):
        points = [axes.at(times[i], v) for i, v in zip(run, _fit(lips)[run], strict=True)]
        _draw_run(pen, points, LIPS)
    pen.draw.rectangle(axes.box, outline=INK, width=ZOOM)
    _legend(pen, 54, f"lip opening, {_range(lips, 1, ' px')}", LIPS, None)
    _legend(pen, 320, f"loudness of the sound, {_range(envelope, 2, '')}", VOICE, VOICE_AREA)


def _plot_curve(pen: _Pen, curve: np.ndarray, fps: float, best: int | None) -> None:
    most = len(curve) // 2
    edge = 1000 * (most + 0.5) / fps
    axes = _Axes(box=_scaled(54, 298, WIDTH - 18, 428), x=(-edge, edge), y=(-1.05, 1.05))
    heights = {value: f"{value:g}" for value in (-1.0, -0.5, 0.0, 0.5, 1.0)}
    label = "shift of the sound in ms (left: sound early, right: sound late)"
    _draw_axes(pen, axes, label, _ticks(-edge, edge), heights)
    pen.line([axes.at(0, -1.05), axes.at(0, 1.05)], (150, 150, 150), 1)
    shifts = 1000 * np.arange(-most, most + 1) / fps
    for run in _runs(curve):
        points = [axes.at(shifts[i], curve[i]) for i in run]
        pen.line(points, INK, 1.5)
        for point in points:
            pen.dot(point, 2.5, INK)
    pen.draw.rectangle(axes.box, outline=INK, width=ZOOM)
    pen.text(_scaled(54, 280), "match of lips and sound at every shift", "lm", INK)
    if best is None or not math.isfinite(curve[most + best]):
        pen.text(_scaled(WIDTH - 18, 280), "no match can be measured", "rm", INK)
        return
    late, value = 1000 * best / fps, curve[most + best]
    _dashed(pen, axes.at(late, -1.05), axes.at(late, 1.05), BEST)
    pen.dot(axes.at(late, value), 6, BEST)
    pen.text(_scaled(WIDTH - 18, 280), f"best: {value:.2f} at {late:.0f} ms", "rm", BEST)


def _draw_axes(
    pen: _Pen, axes: _Axes, label: str, x_ticks: Sequence[float], y_ticks: dict[float, str]
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


def _draw_run(pen: _Pen, points: list[tuple[float, float]], colour: Colour) -> None:
    if len(points) == 1:
        pen.dot(points[0], 2, colour)
    else:
        pen.line(points, colour, 2.5)


def _legend(pen: _Pen, left: float, words: str, colour: Colour, area: Colour | None) -> None:
    if area:
        pen.draw.rectangle(_scaled(left, 12, left + 24, 26), fill=area)
    pen.line([_scaled(left, 18), _scaled(left + 24, 18)], colour, 2.5)
    pen.text(_scaled(left + 32, 18), words, "lm", INK)


def _dashed(
    pen: _Pen, bottom: tuple[float, float], top: tuple[float, float], colour: Colour
) -> None:
    for y in np.arange(top[1], bottom[1], 8 * ZOOM):
        pen.line([(top[0], y), (top[0], min(y + 4 * ZOOM, bottom[1]))], colour, 1.5)


def _sheet() -> tuple[Any, _Pen]:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH * ZOOM, HEIGHT * ZOOM), PAPER)
    font = ImageFont.load_default(size=FONT_SIZE * ZOOM)
    return image, _Pen(draw=ImageDraw.Draw(image), font=font)


def _numbers(track: Tensor) -> np.ndarray:
    values = track.detach().cpu().double().numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _runs(track: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of each stretch of known values."""
    known = np.flatnonzero(~np.isnan(track))
    yield from (run for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if len(run))


def _fit(track: np.ndarray) -> np.ndarray:
    """The track over its own range, 0 to 1; a constant one in the middle."""
    low, high = np.nanmin(track), np.nanmax(track)
    return (track - low) / (high - low) if high > low else np.where(np.isnan(track), np.nan, 0.5)


def _range(track: np.ndarray, digits: int, unit: str) -> str:
    if np.isnan(track).all():
        return "unknown"
    low, high = (f"{value:.{digits}f}" for value in (np.nanmin(track), np.nanmax(track)))
    return f"constant {low}{unit}" if low == high else f"{low} to {high}{unit}"


def _ticks(low: float, high: float) -> list[float]:
    """Round values from low to high, at most TICKS of them, 0 among them."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if factor * power >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(i * step, 9) for i in range(first, last + 1)]


def _scaled(*pixels: float) -> tuple[float, ...]:
    return tuple(ZOOM * value for value in pixels)
