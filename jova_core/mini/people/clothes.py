"""A plain shirt: the body below the neckline, smoothed and let out, with a ribbed band on its edge.

The neckline is the cut of a tilted plane, which is straight on every triangle, so it stays clean.
All lengths are in units of 10 cm and ours.
"""

from dataclasses import dataclass

import numpy as np

from .anatomy import Anatomy, Shape
from .grid import gradient, sample
from .raster import rotation, unit

# Front height and rise towards the back of the neckline: crew, wide and deep ones.
NECKLINES = ((5.80, 0.42), (5.74, 0.55), (5.66, 0.62))
LOOSE = 0.05
ARM_DROP = 0.45
SPOKES = 72
# The band's profile: (out of the skin, down the body) from inside the edge to its seam.
BAND = (
    *((-0.05, 0.02), (0.03, -0.03), (0.05, -0.02), (0.06, 0.01)),
    *((0.065, 0.05), (0.06, 0.09), (0.03, 0.11)),
)


@dataclass(frozen=True, kw_only=True)
class Shirt:
    """A cut shirt: how far every vertex lies above the neckline, and its band."""

    above: np.ndarray  # float32 [N], negative where the shirt covers
    vertices: np.ndarray  # float32 [B, 3] of the band
    triangles: np.ndarray  # int32 [., 3], counted from the band's first vertex
    seam: np.ndarray  # float32 [B], 1 in the shade of the band's seam


def drop_arms(anatomy: Anatomy, shape: Shape, width: float) -> None:
    """Let the arms hang, and make the shoulders `width` times as wide, in place."""
    vertices, base = shape.vertices, anatomy.meshes
    for side, sign in (("left", 1), ("right", -1)):
        share = base.weights[f"arm_{side}"][:, None]
        joint = shape.joints[f"shoulder_{side}"]
        turn = rotation(0, 0, -sign * ARM_DROP)
        arm = vertices[: base.count]
        arm += share * ((arm - joint) @ turn.T + joint - arm)
    body = np.clip(1 - anatomy.head_weight - anatomy.neck_weight, 0, 1)
    vertices[:, 0] *= 1 + body * (width - 1)


def cut_shirt(
    rng: np.random.Generator, anatomy: Anatomy, shape: Shape, distance: np.ndarray
) -> Shirt:
    """A shirt for a person: smooths and lets out the body's vertices in place, sews the band."""
    front, rise = NECKLINES[rng.integers(len(NECKLINES))]
    vertices = shape.vertices
    neck = shape.joints["neck"]
    above = vertices[:, 1] - front - rise * np.clip(0.9 - (vertices[:, 2] - neck[2]), -1, 2)
    above[anatomy.head_weight > 0.5] = 1
    above[anatomy.meshes.count :] = 1
    _let_out(anatomy, vertices, above)
    points, normal = _neckline(front, rise, neck, distance)
    band, triangles, seam = _band(points, normal)
    return Shirt(above=above.astype(np.float32), vertices=band, triangles=triangles, seam=seam)


def _let_out(anatomy: Anatomy, vertices: np.ndarray, above: np.ndarray) -> None:
    """Smooth what the shirt covers, so that no bones show, and move it outwards."""
    covered = np.clip((0.02 - above) / 0.25, 0, 1)[:, None]
    edges = anatomy.triangles[(above[anatomy.triangles] < 0.3).any(1)]
    pairs = np.concatenate([edges[:, [0, 1]], edges[:, [1, 2]], edges[:, [2, 0]]])
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    degree = np.maximum(np.bincount(pairs[:, 0], minlength=len(vertices)), 1)[:, None]
    for _ in range(12):
        mean = np.stack(
            [
                np.bincount(pairs[:, 0], vertices[pairs[:, 1], axis], len(vertices))
                for axis in range(3)
            ],
            axis=1,
        )
        vertices += covered * 0.6 * (mean / degree - vertices)
    out = np.zeros_like(vertices)
    faces = anatomy.triangles
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    flat = np.cross(b - a, c - a)
    for corner in range(3):
        np.add.at(out, faces[:, corner], flat)
    loose = LOOSE * np.clip((0.05 - above) / 0.15, 0, 1) * (0.6 + 0.6 * covered[:, 0])
    vertices += (unit(out) * loose[:, None]).astype(np.float32)


def _neckline(
    front: float, rise: float, neck: np.ndarray, distance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points [SPOKES, 3] where the plane cuts the skin, and the skin's normals there."""
    angles = np.arange(SPOKES) / SPOKES * 2 * np.pi
    reach = np.arange(0.3, 1.5, 0.01, dtype=np.float32)
    centre = np.array([0, 0, neck[2] + 0.1])
    points = np.zeros((SPOKES, 3), np.float32)
    for spoke, angle in enumerate(angles):
        ray = centre + reach[:, None] * np.array([np.sin(angle), 0, np.cos(angle)])
        ray[:, 1] = front + rise * np.clip(0.9 - (ray[:, 2] - neck[2]), -1, 2)
        outside = [sample(distance, *np.float32(place)) > 0.02 for place in ray]
        points[spoke] = ray[int(np.argmax(outside)) if any(outside) else -1]
    normal = np.array([gradient(distance, *place) for place in points])
    for _ in range(8):
        points = _round(points)
        normal = unit(_round(normal))
    return points, normal


def _round(ring: np.ndarray) -> np.ndarray:
    """A closed ring [N, 3] smoothed once."""
    return 0.5 * ring + 0.25 * (np.roll(ring, 1, 0) + np.roll(ring, -1, 0))


def _band(points: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, triangles and seam shade of a band along a ring of points."""
    along = unit(np.roll(points, -1, 0) - np.roll(points, 1, 0))
    down = unit(np.cross(along, normal))
    down *= -np.sign(down[:, 1:2] + 1e-6)
    rows = [points + normal * out + down * low for out, low in BAND]
    vertices = np.stack(rows, 1).astype(np.float32).reshape(-1, 3)
    count, triangles = len(BAND), []
    for spoke in range(len(points)):
        following = (spoke + 1) % len(points)
        for row in range(count - 1):
            a, b = spoke * count + row, following * count + row
            triangles += [(a, b + 1, b), (a, a + 1, b + 1)]
    seam = np.tile(np.float32([0.6, 0, 0, 0, 0, 0.25, 1.0]), len(points))
    return vertices, np.array(triangles, np.int32), seam
