"""The losses of a run as a picture, from its log."""

import json
from pathlib import Path

import numpy as np
from torch import Tensor

from ..chart import (
    BEST,
    HEIGHT,
    INK,
    LIPS,
    VOICE,
    WIDTH,
    ZOOM,
    Axes,
    draw_axes,
    legend,
    scaled,
    sheet,
    ticks,
    to_picture,
)
from ..errors import JoVAError
from ..files import atomic_write

LINES = {"video": LIPS, "mouth": BEST, "audio": VOICE}
SMOOTHING = 0.05  # of the run: the window of the moving average


def read_log(path: Path) -> list[dict]:
    """The lines of a log.jsonl, without an incomplete last one. JoVAError for none."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    if not lines:
        raise JoVAError(f"{path} contains no steps; give the log.jsonl of a run.")
    return lines


def plot_losses(lines: list[dict]) -> Tensor:
    """uint8 picture [480, 768, 3]: video, mouth and audio loss over the samples seen, smoothed."""
    samples = np.array([line["samples"] for line in lines], dtype=float) / 1000
    curves = {name: _smooth([line[name] for line in lines]) for name in LINES}
    values = np.concatenate([c[~np.isnan(c)] for c in curves.values()])
    low, high = samples[0], max(samples[-1], samples[0] + 1e-3)
    top = 1.05 * float(values.max()) if len(values) else 1.0
    image, pen = sheet()
    box = scaled(64, 34, WIDTH - 18, HEIGHT - 52)
    axes = Axes(box=box, x=(low, high), y=(0, top))
    heights = {value: f"{value:g}" for value in ticks(0, top)}
    draw_axes(pen, axes, "thousand samples", ticks(low, high), heights)
    for number, (name, colour) in enumerate(LINES.items()):
        curve = curves[name]
        points = [axes.at(x, y) for x, y in zip(samples, curve, strict=True) if not np.isnan(y)]
        if len(points) > 1:
            pen.line(points, colour, 2.5)
        elif points:
            pen.dot(points[0], 2.5, colour)
        last = curve[~np.isnan(curve)]
        words = f"{name} {last[-1]:.3f}" if len(last) else f"{name}: none"
        legend(pen, 64 + 200 * number, words, colour)
    pen.draw.rectangle(axes.box, outline=INK, width=ZOOM)
    return to_picture(image)


def write_curve(folder: Path) -> Path:
    """Draw `folder/log.jsonl` as `folder/curve.png`."""
    from PIL import Image

    picture = plot_losses(read_log(folder / "log.jsonl"))
    path = folder / "curve.png"
    with atomic_write(path) as temporary:
        Image.fromarray(picture.numpy()).save(temporary, format="PNG")
    return path


def _smooth(values: list[float]) -> np.ndarray:
    """A centred moving mean; 0 stands for no such loss in a step and does not count."""
    raw = np.array(values, dtype=float)
    counts = raw != 0
    width = max(1, round(SMOOTHING * len(raw)))
    kernel = np.ones(width)
    total = np.convolve(np.where(counts, raw, 0), kernel, mode="same")
    count = np.convolve(counts.astype(float), kernel, mode="same")
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
