"""From light to pixels: averages, a lens that spreads them a little, and the tone of a display."""

import numpy as np

from .compiled import F, kernel

# What a pixel gives to each neighbour: a variance of 0.3 px², about a camera's anti-alias filter.
# Strands of hair one pixel wide flicker without it, and cost a video codec 3 dB.
SPREAD = 0.15


@kernel
def spread(light: np.ndarray) -> None:
    """A 3-tap filter along rows and columns of [H, W, 3], in place; edges repeat."""
    height, width = light.shape[0], light.shape[1]
    side, middle = F(SPREAD), F(1 - 2 * SPREAD)
    for y in range(height):
        for c in range(3):
            before = light[y, 0, c]
            for x in range(width):
                own, after = light[y, x, c], light[y, min(x + 1, width - 1), c]
                light[y, x, c] = middle * own + side * (before + after)
                before = own
    for x in range(width):
        for c in range(3):
            before = light[0, x, c]
            for y in range(height):
                own, after = light[y, x, c], light[min(y + 1, height - 1), x, c]
                light[y, x, c] = middle * own + side * (before + after)
                before = own


@kernel
def develop(picture: np.ndarray, table: np.ndarray, factor: int, out: np.ndarray) -> None:
    """Averages factor² linear pixels, spreads them, and shows them by the tone table: uint8."""
    height, width = out.shape[0], out.shape[1]
    light, share = np.empty((height, width, 3), np.float32), F(0.5) / F(factor * factor)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                total = F(0)
                for j in range(factor):
                    for i in range(factor):
                        total += min(picture[y * factor + j, x * factor + i, c], F(2))
                light[y, x, c] = max(F(0), total) * share
    spread(light)
    last = F(table.shape[0] - 1)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                out[y, x, c] = table[int(min(last, np.sqrt(light[y, x, c]) * last))]
