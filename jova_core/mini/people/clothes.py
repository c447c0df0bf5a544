"""A plain shirt: the body below the neckline, smoothed and let out, with a ribbed band on its edge.

The neckline is where a tilted plane and a cylinder round the neck cut the body: a clean curve.
All lengths are in units of 10 cm and ours.
"""

from dataclasses import dataclass

import numpy as np

from .anatomy import Anatomy, Shape
from .compiled import F, kernel
from .grid import gradient, sample
from .raster import rotation, unit

# Height over the breastbone, rise towards the back and distance from the neck of the neckline.
NECKLINES = ((5.74, 0.26, 0.10), (5.68, 0.30, 0.14), (5.62, 0.34, 0.20))
# The throat lies this far before the neck's joint; the neckline's corners are this round.
THROAT, ROUND = 0.6, 0.05
LOOSE = 0.05
ARM_DROP = 0.45
SPOKES = 72
# The band's profile: (out of the skin, down the body) from inside the edge to its seam.
BAND = (
    *((-0.05, 0.02), (0.02, -0.02), (0.04, -0.015), (0.05, 0.01)),
    *((0.055, 0.04), (0.05, 0.07), (0.0, 0.10)),
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
    vertices = shape.vertices
    cut = _measure(NECKLINES[rng.integers(len(NECKLINES))], anatomy, shape)
    above = np.zeros(len(vertices), np.float32)
    heights_above(vertices, cut, above)
    above[anatomy.head_weight > 0.5] = 1
    above[anatomy.meshes.count :] = 1
    _let_out(anatomy, vertices, above)
    points = np.zeros((SPOKES, 3), np.float32)
    walk_neckline(distance, cut, points)
    normal = np.array([gradient(distance, *place) for place in points])
    for _ in range(8):
        points, normal = _smoothed(points), unit(_smoothed(normal))
    band, triangles, seam = _band(points, normal)
    return Shirt(above=above, vertices=band, triangles=triangles, seam=seam)


def _measure(style: tuple[float, float, float], anatomy: Anatomy, shape: Shape) -> np.ndarray:
    """The cut's numbers for a neck: front, rise, and middle and half axes of an ellipse."""
    front, rise, away = style
    x, y, z = shape.vertices.T
    neck = (anatomy.neck_weight > 0.3) & (y > 5.92) & (y < 6.08)
    back, throat = np.percentile(z[neck], (2, 98))
    half = float(np.percentile(np.abs(x[neck]), 98))
    middle, deep = (back + throat) / 2, (throat - back) / 2
    start = front + rise * (THROAT + shape.joints["neck"][2])
    return np.float32([start, rise, middle, half + away, deep + away])


@kernel
def height_above(x: float, y: float, z: float, cut: np.ndarray) -> float:
    """How far a place lies above the neckline: over a tilted plane and inside a
    cylinder, which is open to the front."""
    plane = y - cut[0] + cut[1] * z
    across, along = x / cut[3], min(F(0), z - cut[2]) / cut[4]
    inside = cut[3] * (F(1) - np.sqrt(across * across + along * along))
    # A soft minimum of both.
    lower, more = min(plane, inside), abs(plane - inside)
    return lower - F(ROUND) * np.log(F(1) + np.exp(-more / F(ROUND)))


@kernel
def heights_above(points: np.ndarray, cut: np.ndarray, out: np.ndarray) -> None:
    """`height_above` of points [N, 3]."""
    for i in range(points.shape[0]):
        out[i] = height_above(points[i, 0], points[i, 1], points[i, 2], cut)


@kernel
def walk_neckline(distance: np.ndarray, cut: np.ndarray, out: np.ndarray) -> None:
    """Goes down the skin on every spoke round the neck to where it meets the neckline."""
    spokes = out.shape[0]
    for spoke in range(spokes):
        angle = F(2 * np.pi) * F(spoke) / F(spokes)
        across, ahead = np.sin(angle), np.cos(angle)
        reach, y = F(0.2), F(6.0)
        x, z = F(0), cut[2]
        while y > F(5.2):
            while reach < F(1.6):
                x, z = reach * across, cut[2] + reach * ahead
                if sample(distance, x, y, z) > F(0.02):
                    break
                reach += F(0.01)
            if height_above(x, y, z, cut) < 0:
                break
            y -= F(0.01)
            reach = max(F(0.2), reach - F(0.03))
        out[spoke, 0], out[spoke, 1], out[spoke, 2] = x, y, z


def _let_out(anatomy: Anatomy, vertices: np.ndarray, above: np.ndarray) -> None:
    """Smooth what the shirt covers, so that no bones show, and move it outwards."""
    covered = np.clip((0.02 - above) / 0.25, 0, 1)[:, None]
    edges = anatomy.triangles[(above[anatomy.triangles] < 0.3).any(1)]
    pairs = np.concatenate([edges[:, [0, 1]], edges[:, [1, 2]], edges[:, [2, 0]]])
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    degree = np.maximum(np.bincount(pairs[:, 0], minlength=len(vertices)), 1)[:, None]
    for _ in range(4):
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


def _smoothed(ring: np.ndarray) -> np.ndarray:
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
    seam = np.tile(np.float32([0.6, 0, 0, 0, 0, 0.2, 0.5]), len(points))
    return vertices, np.array(triangles, np.int32), seam
