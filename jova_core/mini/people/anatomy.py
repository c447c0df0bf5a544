"""What all people share: the joined mesh of skin, tongue, eyes and teeth, and its face units.

Legend: N vertices of the joined mesh (the base mesh's first, then eyes and teeth), T triangles,
U face units.
"""

import functools
from dataclasses import dataclass

import numpy as np

from . import meshes
from .meshes import Meshes, load_meshes
from .mouthparts import dental_arch, eyeball

SKIN, EYE, TEETH, TONGUE, INNER, CLOTH = range(6)
# The albedo picture covers the angle round the head and these heights, top first.
TOP, TALL, AXIS = 8.6, 4.6, 0.1
TEETH_KIND = {"upper": meshes.TEETH_UPPER, "lower": meshes.TEETH_LOWER}
EYE_KIND = {"left": meshes.EYE_LEFT, "right": meshes.EYE_RIGHT}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A person's neutral mesh: vertices [N, 3], joints, and centre and radius of each eye."""

    vertices: np.ndarray
    joints: dict[str, np.ndarray]
    eyes: dict[str, tuple[np.ndarray, float]]


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """Topology and canonical coordinates."""

    meshes: Meshes
    triangles: np.ndarray  # int32 [T, 3]
    material: np.ndarray  # uint8 [T], SKIN ... INNER
    parts: dict[str, slice]  # vertices of eye_left, eye_right, teeth_upper, teeth_lower
    eyeball: np.ndarray  # float32 [E, 3], unit eye looking along z
    arches: dict[str, np.ndarray]  # float32 [D, 3], canonical teeth
    canon: np.ndarray  # float32 [N, 3]: base place; in eyes and teeth the place within them
    angle: np.ndarray  # float32 [N], angle round the head's axis, 0 = front, + = person's left
    masks: dict[str, np.ndarray]  # float32 [N]
    head_weight: np.ndarray  # float32 [N]
    neck_weight: np.ndarray  # float32 [N]
    tongue: np.ndarray  # int [K], vertices
    units: tuple[str, ...]
    unit_starts: np.ndarray  # int32 [U + 1]: rows and offsets of unit u lie between u and u + 1
    unit_rows: np.ndarray  # int32
    unit_offsets: np.ndarray  # float32 [., 3]
    lips: tuple[int, int]  # inner edge of the upper and of the lower lip on the middle line
    corners: tuple[int, int]  # the corners of the mouth
    outer_lips: np.ndarray  # int [L], vertices of the lips, for the box round them
    chin: int

    @property
    def count(self) -> int:
        """Number of vertices N."""
        return len(self.canon)

    def shape(self, amounts: dict[str, float]) -> Shape:
        """The neutral person with `amounts` of the named morph targets."""
        base = self.meshes
        moved = base.morph(amounts)
        vertices = np.zeros((self.count, 3), np.float32)
        vertices[: base.count] = moved[: base.count]
        eyes = {}
        for side, kind in EYE_KIND.items():
            helper = moved[np.unique(base.of_kind(kind))]
            centre = (helper.min(0) + helper.max(0)) / 2
            radius = float(np.ptp(helper[:, :2], axis=0).mean() / 2)
            eyes[side] = (centre, radius)
            vertices[self.parts[f"eye_{side}"]] = centre + radius * self.eyeball
        for row, kind in TEETH_KIND.items():
            rows = np.unique(base.of_kind(kind))
            arch = _affine(base.points[rows], moved[rows], self.arches[row])
            vertices[self.parts[f"teeth_{row}"]] = arch
        joints = dict(zip(base.joints, moved[base.count :], strict=True))
        return Shape(vertices=vertices, joints=joints, eyes=eyes)


@functools.cache
def load_anatomy() -> Anatomy:
    """Builds the shared topology from the packed meshes; once in a process."""
    base = load_meshes()
    skin_quads = base.of_kind(meshes.SKIN, meshes.TONGUE)
    skin = np.concatenate([skin_quads[:, [0, 1, 2]], skin_quads[:, [0, 2, 3]]])
    is_tongue = np.isin(skin, base.of_kind(meshes.TONGUE)).all(1)
    inside = (base.masks["inside_mouth"][skin] > 0.5).all(1)
    triangles, materials = [skin], [np.where(is_tongue, TONGUE, np.where(inside, INNER, SKIN))]
    ball, ball_triangles = eyeball()
    arch = {row: dental_arch(upper=row == "upper") for row in TEETH_KIND}
    parts, canon, at = {}, [base.points[: base.count]], base.count
    pieces = [(f"eye_{side}", ball, ball, ball_triangles, EYE) for side in EYE_KIND]
    pieces += [(f"teeth_{r}", arch[r][0], arch[r][2], arch[r][1], TEETH) for r in TEETH_KIND]
    for name, points, places, faces, material in pieces:
        parts[name] = slice(at, at + len(points))
        canon.append(places)
        triangles.append(faces + at)
        materials.append(np.full(len(faces), material))
        at += len(points)
    canon = np.concatenate(canon).astype(np.float32)
    arches = {row: arch[row][0] for row in TEETH_KIND}
    rigid = np.unique(base.of_kind(meshes.TONGUE, meshes.LASHES_UPPER, meshes.LASHES_LOWER))
    head, neck = _padded(base.weights["head"], at, 1), _padded(base.weights["neck"], at, 0)
    head[rigid], neck[rigid] = 1, 0
    units, starts, rows, offsets = _face_units(base, arches, parts)
    return Anatomy(
        meshes=base,
        triangles=np.concatenate(triangles).astype(np.int32),
        material=np.concatenate(materials).astype(np.uint8),
        parts=parts,
        eyeball=ball,
        arches=arches,
        canon=canon,
        angle=np.arctan2(canon[:, 0], canon[:, 2] - AXIS),
        masks={name: _padded(mask, at, 0) for name, mask in base.masks.items()},
        head_weight=head,
        neck_weight=neck,
        tongue=np.unique(base.of_kind(meshes.TONGUE)),
        units=units,
        unit_starts=starts,
        unit_rows=rows,
        unit_offsets=offsets,
        **_landmarks(base, head),
    )


def _padded(values: np.ndarray, count: int, fill: float) -> np.ndarray:
    padded = np.full(count, fill, np.float32)
    padded[: len(values)] = values
    return padded


def _affine(source: np.ndarray, target: np.ndarray, points: np.ndarray) -> np.ndarray:
    """`points` [N, 3] moved by the affine map that takes `source` to `target` best."""
    ones = np.ones((len(source), 1))
    matrix, *_ = np.linalg.lstsq(np.hstack([source, ones]), target, rcond=None)
    return np.hstack([points, np.ones((len(points), 1))]) @ matrix


def _face_units(
    base: Meshes, arches: dict[str, np.ndarray], parts: dict[str, slice]
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Names, starts, rows and offsets of the face units; the teeth follow the jaw's helpers."""
    names = sorted(name for name in base.targets if name.startswith("face/"))
    eyes = np.unique(base.of_kind(meshes.EYE_LEFT, meshes.EYE_RIGHT))
    starts, all_rows, all_offsets = [0], [], []
    for name in names:
        rows, offsets = base.targets[name]
        full = np.zeros((len(base.points), 3), np.float32)
        full[rows] = offsets
        kept = (rows < base.count) & ~np.isin(rows, eyes)
        rows, offsets = [rows[kept]], [offsets[kept]]
        for row, kind in TEETH_KIND.items():
            helper = np.unique(base.of_kind(kind))
            part = parts[f"teeth_{row}"]
            if name.startswith("face/jaw") and full[helper].any():
                rows.append(np.arange(part.start, part.stop))
                offsets.append(_affine(base.points[helper], full[helper], arches[row]))
        all_rows += rows
        all_offsets += offsets
        starts.append(starts[-1] + sum(len(part) for part in rows))
    rows, offsets = np.concatenate(all_rows), np.concatenate(all_offsets)
    units = tuple(name.removeprefix("face/") for name in names)
    return units, np.int32(starts), rows.astype(np.int32), offsets.astype(np.float32)


def _landmarks(base: Meshes, head: np.ndarray) -> dict:
    """Vertices of lips, mouth corners and chin, found by their canonical places."""
    x, y, z = base.points[: base.count].T
    lips = base.masks["lips"] > 0.6
    middle = lips & (np.abs(x) < 0.02)
    upper, lower = np.flatnonzero(middle & (y > 6.625)), np.flatnonzero(middle & (y < 6.58))
    outer = np.flatnonzero(lips & (z > 1.2))
    chin = np.flatnonzero((np.abs(x) < 0.02) & (z > 1.2) & (y < 6.5) & (head[: base.count] > 0.9))
    return {
        "lips": (int(upper[y[upper].argmin()]), int(lower[y[lower].argmax()])),
        "corners": (int(outer[x[outer].argmin()]), int(outer[x[outer].argmax()])),
        "outer_lips": outer,
        "chin": int(chin[y[chin].argmin()]),
    }
