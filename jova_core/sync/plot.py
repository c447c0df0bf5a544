"""A picture of a clip's lip-sync: both tracks over time, and their correlation at every shift.

Legend: F video frames, H height and W width in pixels.
"""

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from ..chart import (
    BEST,
    INK,
    LIPS,
    VOICE,
    VOICE_AREA,
    WIDTH,
    ZOOM,
    Axes,
    Colour,
    Pen,
    draw_axes,
    legend,
    scaled,
    sheet,
    ticks,
    to_picture,
)
from ..errors import JoVAError
from .correlation import zero_lag_correlation
from .report import largest_shift


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
            f"Got lips of shape {list(lips.shape)}, envelope of shape {list(envelope.shape)}; "
            "expected the same length [F], F above 0."
        )
    shifts = max(max_frames or largest_shift(len(lips), fps), abs(offset_frames or 0))
    image, pen = sheet()
    _plot_tracks(pen, _numbers(lips), _numbers(envelope), float(fps))
    curve = shift_curve(lips.cpu(), envelope.cpu(), shifts)
    _plot_curve(pen, curve.numpy(), float(fps), offset_frames)
    return to_picture(image)


def shift_curve(lips: Tensor, envelope: Tensor, max_frames: int) -> Tensor:
    """Correlations float64 [2 * max_frames + 1] of lips[i] with envelope[i + k].

    k runs from -max_frames to max_frames, as in `best_offset`; NaN without one.
    """
    count = len(lips)
    values = [
        zero_lag_correlation(
            lips[max(0, -k) : max(0, count - k)], envelope[max(0, k) : max(0, count + k)]
        )
        for k in range(-max_frames, max_frames + 1)
    ]
    return torch.tensor(values, dtype=torch.float64)


def _plot_tracks(pen: Pen, lips: np.ndarray, envelope: np.ndarray, fps: float) -> None:
    seconds = len(lips) / fps
    axes = Axes(box=scaled(54, 34, WIDTH - 18, 226), x=(0, seconds), y=(-0.06, 1.06))
    draw_axes(pen, axes, "seconds", ticks(0, seconds), {0.0: "least", 1.0: "most"})
    times = (np.arange(len(lips)) + 0.5) / fps
    floor = axes.at(0, axes.y[0])[1]
    for run in _runs(envelope):
        points = [
            axes.at(times[i], v) for i, v in zip(run, _unit_range(envelope)[run], strict=True)
        ]
        if len(points) > 1:
            area = [(points[0][0], floor), *points, (points[-1][0], floor)]
            pen.draw.polygon(area, fill=VOICE_AREA)
        _draw_run(pen, points, VOICE)
    for run in _runs(lips):
        points = [axes.at(times[i], v) for i, v in zip(run, _unit_range(lips)[run], strict=True)]
        _draw_run(pen, points, LIPS)
    pen.draw.rectangle(axes.box, outline=INK, width=ZOOM)
    legend(pen, 54, f"lip opening, {_range(lips, 1, ' px')}", LIPS, None)
    legend(pen, 320, f"loudness of the sound, {_range(envelope, 2, '')}", VOICE, VOICE_AREA)


def _plot_curve(pen: Pen, curve: np.ndarray, fps: float, best: int | None) -> None:
    most = len(curve) // 2
    edge = 1000 * (most + 0.5) / fps
    axes = Axes(box=scaled(54, 298, WIDTH - 18, 428), x=(-edge, edge), y=(-1.05, 1.05))
    heights = {value: f"{value:g}" for value in (-1.0, -0.5, 0.0, 0.5, 1.0)}
    label = "shift of the sound in ms (left: sound early, right: sound late)"
    draw_axes(pen, axes, label, ticks(-edge, edge), heights)
    pen.line([axes.at(0, -1.05), axes.at(0, 1.05)], (150, 150, 150), 1)
    shifts = 1000 * np.arange(-most, most + 1) / fps
    for run in _runs(curve):
        points = [axes.at(shifts[i], curve[i]) for i in run]
        pen.line(points, INK, 1.5)
        for point in points:
            pen.dot(point, 2.5, INK)
    pen.draw.rectangle(axes.box, outline=INK, width=ZOOM)
    pen.text(scaled(54, 280), "match of lips and sound at every shift", "lm", INK)
    if best is None or not math.isfinite(curve[most + best]):
        pen.text(scaled(WIDTH - 18, 280), "no match can be measured", "rm", INK)
        return
    late, value = 1000 * best / fps, curve[most + best]
    _dashed(pen, axes.at(late, -1.05), axes.at(late, 1.05), BEST)
    pen.dot(axes.at(late, value), 6, BEST)
    pen.text(scaled(WIDTH - 18, 280), f"best: {value:.2f} at {late:.0f} ms", "rm", BEST)


def _draw_run(pen: Pen, points: list[tuple[float, float]], colour: Colour) -> None:
    if len(points) == 1:
        pen.dot(points[0], 2, colour)
    else:
        pen.line(points, colour, 2.5)


def _dashed(
    pen: Pen, bottom: tuple[float, float], top: tuple[float, float], colour: Colour
) -> None:
    for y in np.arange(top[1], bottom[1], 8 * ZOOM):
        pen.line([(top[0], y), (top[0], min(y + 4 * ZOOM, bottom[1]))], colour, 1.5)


def _numbers(track: Tensor) -> np.ndarray:
    values = track.detach().cpu().double().numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _runs(track: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of each stretch of values without NaN."""
    frames = np.flatnonzero(~np.isnan(track))
    gaps = np.flatnonzero(np.diff(frames) > 1) + 1
    yield from (run for run in np.split(frames, gaps) if len(run))


def _unit_range(track: np.ndarray) -> np.ndarray:
    """The track over its own range, 0 to 1; a constant one in the middle."""
    low, high = np.nanmin(track), np.nanmax(track)
    return (track - low) / (high - low) if high > low else np.where(np.isnan(track), np.nan, 0.5)


def _range(track: np.ndarray, digits: int, unit: str) -> str:
    if np.isnan(track).all():
        return "unknown"
    low, high = (f"{value:.{digits}f}" for value in (np.nanmin(track), np.nanmax(track)))
    return f"constant {low}{unit}" if low == high else f"{low} to {high}{unit}"
