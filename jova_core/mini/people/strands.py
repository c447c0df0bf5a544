"""Strands of hair: roots on the scalp, growth round the head, light that reaches them.

Legend: n strands, S points of a strand from the root to the tip.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .anatomy import AXIS, SKIN, Anatomy
from .compiled import F, kernel
from .grid import gradient, sample
from .raster import unit


@dataclass(frozen=True, kw_only=True)
class Roots:
    """Where hairs stand on the skin: n places in the neutral person's mesh."""

    corners: np.ndarray  # int32 [n, 3], vertices of the triangle
    shares: np.ndarray  # float32 [n, 3], barycentric
    place: np.ndarray  # float32 [n, 3]
    normal: np.ndarray  # float32 [n, 3]
    canon: np.ndarray  # float32 [n, 3], place in the base mesh

    @property
    def angle(self) -> np.ndarray:
        """Angle [n] round the head's axis."""
        return np.arctan2(self.canon[:, 0], self.canon[:, 2] - AXIS)


@dataclass(kw_only=True)
class Growth:
    """How n strands grow; every field is an array [n], `comb` [n, 3]."""

    length: np.ndarray
    comb: np.ndarray  # direction that the hair is combed in
    strength: np.ndarray  # of the comb, near the root
    decay: np.ndarray  # length over which the comb loses its force
    gravity: np.ndarray
    lift: np.ndarray  # least distance to the skin away from the root
    layer: np.ndarray  # more distance, at random from 0 to this
    curl: np.ndarray  # radius of curls
    turns: np.ndarray  # curls in a strand
    upright: np.ndarray  # share of the skin's normal in the first direction


@dataclass(kw_only=True)
class Strands:
    """Drawn lines: points, linear colour, opacity and width in (supersampled) pixels."""

    points: np.ndarray  # float32 [n, S, 3]
    colour: np.ndarray  # float32 [n, 3]
    alpha: np.ndarray  # float32 [n]
    width: np.ndarray  # int32 [n]
    light: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 3), np.float32))

    def pick(self, rows: np.ndarray) -> "Strands":
        """The strands `rows` alone, in that order."""
        arrays = (self.points, self.colour, self.alpha, self.width, self.light)
        points, colour, alpha, width, light = (np.ascontiguousarray(a[rows]) for a in arrays)
        return Strands(points=points, colour=colour, alpha=alpha, width=width, light=light)


def draw_roots(
    rng: np.random.Generator,
    count: int,
    anatomy: Anatomy,
    vertices: np.ndarray,
    normals: np.ndarray,
    density: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Roots:
    """`count` roots where density(angle, height) says, spread evenly over the skin's area."""
    triangles = anatomy.triangles[anatomy.material == SKIN]
    middle = anatomy.canon[triangles].mean(1)
    weight = density(np.arctan2(middle[:, 0], middle[:, 2] - AXIS), middle[:, 1])
    weight = weight * (anatomy.masks["ears"][triangles].max(1) < 0.2) * (middle[:, 1] > 5.5)
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    weight = weight * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    chosen = triangles[rng.choice(len(triangles), count, p=weight / weight.sum())]
    u = rng.random((count, 2))
    u = np.where(u.sum(1, keepdims=True) > 1, 1 - u, u)
    shares = np.stack([1 - u.sum(1), u[:, 0], u[:, 1]], 1).astype(np.float32)

    def at(values: np.ndarray) -> np.ndarray:
        return np.einsum("nk,nkd->nd", shares, values[chosen]).astype(np.float32)

    return Roots(
        corners=chosen,
        shares=shares,
        place=at(vertices),
        normal=unit(at(normals)),
        canon=at(anatomy.canon),
    )


def grow_strands(
    rng: np.random.Generator, roots: Roots, growth: Growth, points: int, distance: np.ndarray
) -> np.ndarray:
    """Points [n, points, 3] of strands that grow from their roots round the head."""
    count = len(roots.place)
    jitter = 0.12 * rng.normal(size=(count, 3))
    first = unit(
        roots.normal * growth.upright[:, None]
        + unit(growth.comb) * (1 - growth.upright[:, None])
        + jitter
    )
    layer = growth.layer * rng.random(count) ** 0.7
    waves = [scale * np.sin(roots.place @ rng.normal(size=3) * speed) for scale, speed in WAVES]
    phase = sum(waves) + 0.5 * rng.normal(size=count)
    tight = growth.curl > 0.02
    locks = rng.uniform(0, 2 * np.pi, count // 6 + 1)[np.arange(count) // 6]
    phase = np.where(tight, 0.6 * phase + locks, phase)
    columns = (
        *(growth.length, growth.strength, growth.gravity, growth.lift, layer),
        *(growth.curl, growth.turns, phase, growth.decay),
    )
    settings = np.stack(columns, 1).astype(np.float32)
    grown = np.zeros((count, points, 3), np.float32)
    grow(roots.place, np.float32(first), np.float32(growth.comb), settings, distance, grown)
    curl_up(settings, grown)
    return grown


WAVES = ((5.0, 4.0), (4.0, 7.0))


@kernel
def grow(
    root: np.ndarray,
    first: np.ndarray,
    comb: np.ndarray,
    settings: np.ndarray,
    distance: np.ndarray,
    out: np.ndarray,
) -> None:
    """Steps from the root: comb and gravity bend a strand, the head pushes it out."""
    count, points = out.shape[0], out.shape[1]
    for i in range(count):
        length, strength, gravity = settings[i, 0], settings[i, 1], settings[i, 2]
        lift, layer, decay = settings[i, 3], settings[i, 4], settings[i, 8]
        step = length / F(points - 1)
        x, y, z = root[i, 0], root[i, 1], root[i, 2]
        dx, dy, dz = first[i, 0], first[i, 1], first[i, 2]
        for k in range(points):
            out[i, k, 0], out[i, k, 1], out[i, k, 2] = x, y, z
            along = F(k) * step
            pull = F(8) * step * strength * np.exp(-along / decay)
            dx += comb[i, 0] * pull
            dy += comb[i, 1] * pull - F(8) * gravity * step
            dz += comb[i, 2] * pull
            size = F(1) / (np.sqrt(dx * dx + dy * dy + dz * dz) + F(1e-9))
            px, py, pz = x + dx * size * step, y + dy * size * step, z + dz * size * step
            wanted = (lift + layer) * min(F(1), F(2.5) * along + F(0.1)) + F(0.012)
            near = sample(distance, px, py, pz)
            if near < wanted and py < F(5.95) and length > 1:
                # On the shoulders hair slides to the chest or the back, not outwards.
                px = x + dx * size * step * F(0.3)
                pz += step * (F(0.5) if z > F(-0.05) else F(-0.5))
                near = sample(distance, px, py, pz)
            if near < wanted:
                gx, gy, gz = gradient(distance, px, py, pz)
                push = min(wanted - near, F(1.2) * step)
                px, py, pz = px + gx * push, py + gy * push, pz + gz * push
            dx, dy, dz = px - x, py - y, pz - z
            size = F(1) / (np.sqrt(dx * dx + dy * dy + dz * dz) + F(1e-9))
            dx, dy, dz = dx * size, dy * size, dz * size
            x, y, z = x + dx * step, y + dy * step, z + dz * step


@kernel
def curl_up(settings: np.ndarray, points: np.ndarray) -> None:
    """Winds strands [n, S, 3] into curls, more towards the tip, in place."""
    last = points.shape[1] - 1
    for i in range(points.shape[0]):
        radius, turns, phase = settings[i, 5], settings[i, 6], settings[i, 7]
        if radius > 0:
            for k in range(1, last + 1):
                angle = phase + turns * F(6.2832) * F(k) / F(last)
                wide = radius * min(F(1), F(2.5) * F(k) / F(last))
                points[i, k, 0] += wide * np.cos(angle)
                points[i, k, 1] += F(0.6) * wide * np.sin(angle)
                points[i, k, 2] += wide * np.sin(angle + F(1.1))


def gather_locks(
    rng: np.random.Generator, roots: Roots, growth: Growth, points: np.ndarray, clump: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws strands towards guides near their roots: points, each strand's guide, those kept.

    Strands that end far from their guide look odd at this size and are left out.
    """
    count = len(points)
    guides = rng.choice(count, max(8, count // 22), replace=False)
    near = np.zeros(count, int)
    for start in range(0, count, 1000):
        part = slice(start, start + 1000)
        offset = roots.place[part, None] - roots.place[None, guides]
        other_side = np.sign(growth.comb[part, None, 0]) != np.sign(growth.comb[None, guides, 0])
        near[part] = guides[((offset**2).sum(-1) + 0.2 * other_side).argmin(1)]
    along = np.linspace(0, 1, points.shape[1])[None, :, None]
    alike = np.clip(1 - 2 * np.abs(growth.length - growth.length[near]), 0, 1)[:, None, None]
    kept = np.linalg.norm(points - points[near], axis=2).max(1) < 0.5
    gathered = points + (points[near] - points) * (clump * along**1.3 * alike)
    return gathered.astype(np.float32), near, kept
