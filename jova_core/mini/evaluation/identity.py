"""Whether somebody stays the same person: the shape of the face and the colours around it.

Legend: F frames, H W pixels, P points of a face.
"""

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ...mouth.landmarks import LEFT_EYE, RIGHT_EYE, LipDetector

# Vertices of MediaPipe's mesh that neither lids, brows, lips nor jaw move: corners of the eyes,
# nose, temples, forehead and cheekbones.
STILL = (
    *(33, 133, 362, 263),
    *(1, 2, 4, 5, 6, 168, 195, 197, 48, 98, 278, 327),
    *(10, 67, 109, 297, 338, 103, 332, 54, 284, 21, 251, 162, 389, 127, 356),
    *(234, 454, 93, 323, 116, 345, 117, 346),
)
# Frames that are looked at in a film; a face changes no faster.
EVERY = 4
# Where colours are taken: forehead and cheeks by their vertices, hair above the forehead by a
# share of the distance of the eyes, shirt and background by shares of height and width.
_FOREHEAD, _CHEEKS = 151, (50, 280)
_HAIR_ABOVE = 0.55
_PLACES = {"shirt": ((0.97, 0.5),), "background": ((0.06, 0.06), (0.06, 0.94))}
_RADIUS = 3  # px of the square whose median colour counts


def portrait_error(film: Tensor, portrait: Tensor, detector: LipDetector) -> tuple[float, float]:
    """How far the person of a film, uint8 `[F, H, W, 3]`, is from a portrait `[H, W, 3]`.

    First the shape: the mean distance of the face's still points, turned, moved and scaled onto
    those of the portrait, over the distance of the outer corners of the eyes. Then the colours of
    skin, hair, shirt and background: their mean difference in levels of 255. Both are medians over
    frames; NaN where a face is not found.
    """
    wanted = detector.mesh(portrait)
    if wanted is None:
        return math.nan, math.nan
    seen = [(frame, detector.mesh(frame)) for frame in film[::EVERY]]
    found = [(frame, points) for frame, points in seen if points is not None]
    if not found:
        return math.nan, math.nan
    own = _colours(portrait.numpy(), wanted)
    shapes = [shape_error(points, wanted) for _, points in found]
    shades = [np.abs(_colours(frame.numpy(), points) - own).mean() for frame, points in found]
    return float(np.median(shapes)), float(np.median(shades))


def shape_error(points: np.ndarray, wanted: np.ndarray) -> float:
    """Mean distance of the still points of two meshes `[P, 3]`, in distances of the wanted eyes.

    The first mesh is turned, moved and scaled onto the second (Umeyama, PAMI 1991).
    """
    moved, fixed = points[list(STILL)], wanted[list(STILL)]
    a, b = moved - moved.mean(0), fixed - fixed.mean(0)
    left, stretch, right = np.linalg.svd(b.T @ a)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    scale = (stretch * signs).sum() / np.square(a).sum()
    aligned = scale * a @ (left * signs @ right).T
    eyes = np.linalg.norm(wanted[LEFT_EYE] - wanted[RIGHT_EYE])
    return float(np.linalg.norm(aligned - b, axis=1).mean() / eyes)


def _colours(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Median colours `[places, 3]` of a picture `[H, W, 3]` at the places of a face's mesh."""
    height, width = frame.shape[:2]
    eyes = np.linalg.norm(points[LEFT_EYE] - points[RIGHT_EYE])
    top = points[10, :2]
    middles = [points[vertex, 1::-1] for vertex in (_FOREHEAD, *_CHEEKS)]
    middles.append(np.array([top[1] - _HAIR_ABOVE * eyes, top[0]]))
    middles += [np.array([y * height, x * width]) for spots in _PLACES.values() for y, x in spots]
    return np.stack([_median(frame, middle) for middle in middles])


def _median(frame: np.ndarray, middle: Sequence[float]) -> np.ndarray:
    y, x = (
        int(np.clip(round(float(value)), _RADIUS, size - 1 - _RADIUS))
        for value, size in zip(middle, frame.shape[:2], strict=True)
    )
    square = frame[y - _RADIUS : y + _RADIUS + 1, x - _RADIUS : x + _RADIUS + 1]
    return np.median(square.reshape(-1, 3).astype(float), axis=0)
