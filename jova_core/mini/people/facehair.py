"""Brows, beard and lashes: short hairs that hang on the moving face."""

from dataclasses import dataclass

import numpy as np

from . import meshes
from .anatomy import Anatomy
from .attributes import Person
from .facemaps import BROW_LENGTH, BROW_START, FaceMaps
from .identity import Traits
from .raster import unit
from .strands import Roots, draw_roots

POINTS = 4
# Hairs, length and opacity of each beard.
BEARDS = {"stubble": (1300, 0.022, 0.3), "goatee": (1700, 0.075, 0.75), "full": (3000, 0.085, 0.75)}


@dataclass(frozen=True, kw_only=True)
class FaceHair:
    """Brows and beard as offsets from roots on the mesh; lashes as places on their helper."""

    corners: np.ndarray  # int32 [n, 3]
    shares: np.ndarray  # float32 [n, 3]
    offsets: np.ndarray  # float32 [n, POINTS, 3], in the upright head
    colour: np.ndarray  # float32 [n, 3]
    alpha: np.ndarray  # float32 [n]
    lash_edges: np.ndarray  # int32 [m, 4], two vertices on the lid, two outside
    lash_share: np.ndarray  # float32 [m], place between them
    lash_alpha: np.ndarray  # float32 [m]
    lash_length: float


def grow_face_hair(
    person: Person,
    traits: Traits,
    maps: FaceMaps,
    anatomy: Anatomy,
    vertices: np.ndarray,
    normals: np.ndarray,
    eyes: dict[str, tuple[np.ndarray, float]],
) -> FaceHair:
    """The hair of a person's face."""
    rng = np.random.default_rng((person.seed, 6))
    count = 300 if person.man else 240
    roots = draw_roots(
        rng, count, anatomy, vertices, normals, lambda a, y: maps.brow(a, y) ** 1.5 * (y < 7.7)
    )
    tone = np.exp(0.2 * rng.normal(size=(count, 1)))
    parts = [(roots, _brow_offsets(rng, roots, maps), traits.brow * tone, 0.55)]
    if person.beard != "none":
        count, length, alpha = BEARDS[person.beard]
        roots = draw_roots(
            rng,
            count,
            anatomy,
            vertices,
            normals,
            lambda a, y: maps.beard_area(a, y) * np.clip((y - 6.05) / 0.25, 0, 1),
        )
        tone = np.exp(0.22 * rng.normal(size=(count, 1)))
        colour = traits.hair * tone * (0.6 if person.beard == "stubble" else 0.9)
        parts.append((roots, _beard_offsets(rng, roots, length), colour, alpha))
    edges, share, upper = _lashes(anatomy, vertices, eyes)
    alphas = (0.25, 0.06) if person.man else (0.4 + 0.3 * traits.makeup, 0.1)
    return FaceHair(
        corners=np.concatenate([roots.corners for roots, *_ in parts]).astype(np.int32),
        shares=np.concatenate([roots.shares for roots, *_ in parts]),
        offsets=np.concatenate([offsets for _, offsets, *_ in parts]).astype(np.float32),
        colour=np.concatenate([colour for _, _, colour, _ in parts]).astype(np.float32),
        alpha=np.concatenate([np.full(len(p[1]), p[3], np.float32) for p in parts]),
        lash_edges=edges,
        lash_share=share,
        lash_alpha=np.where(upper, *alphas).astype(np.float32),
        lash_length=0.5 if person.man else 0.7 + 0.2 * traits.makeup,
    )


def _brow_offsets(rng: np.random.Generator, roots: Roots, maps: FaceMaps) -> np.ndarray:
    """Hairs along the brow, up at its inner end, flat on the skin: [n, POINTS, 3]."""
    count, angle, height = len(roots.place), roots.angle, roots.canon[:, 1]
    share = np.clip((np.abs(angle) - BROW_START) / BROW_LENGTH, 0, 1)
    middle, half = maps.brow_line(share)
    up = np.clip(0.8 - 1.5 * share, -0.25, 1) - 0.25 * np.clip((height - middle) / half, -1, 1)
    along = np.stack([np.sign(angle) * (0.4 + share), up, -0.3 * share], 1)
    along = unit(along + 0.12 * rng.normal(size=(count, 3)))
    inwards = (along * roots.normal).sum(1, keepdims=True)
    along = unit(along - 0.85 * inwards * roots.normal)
    length = rng.uniform(0.03, 0.055, count)[:, None, None]
    t = np.linspace(0, 1, POINTS)[None, :, None]
    lifted = roots.normal[:, None] * (0.006 + 0.006 * np.sin(3 * t))
    return along[:, None] * length * t + lifted - np.array([0, 0.01, 0]) * t**2


def _beard_offsets(rng: np.random.Generator, roots: Roots, length: float) -> np.ndarray:
    """Hairs that stand out and hang down, shorter on lip and throat: [n, POINTS, 3]."""
    count, height = len(roots.place), roots.canon[:, 1]
    long = length > 0.05
    lengths = length * rng.uniform(0.6, 1.15, count) * np.where(height > 6.70, 0.42, 1.0)
    lengths = (lengths * np.clip((height - 5.95) / 0.2, 0.4, 1))[:, None, None]
    down = np.stack([0.35 * roots.canon[:, 0], np.full(count, -1.0), np.full(count, 0.1)], 1)
    along = roots.normal * (0.5 if long else 0.9) + 0.7 * down
    along = unit(along + 0.25 * rng.normal(size=(count, 3)))
    along[:, 2] = np.maximum(along[:, 2], 0.02)
    t = np.linspace(0, 1, POINTS)[None, :, None]
    hanging = np.array([0, -0.35, 0]) * lengths * t**2
    return along[:, None] * lengths * t + hanging + 0.006 * roots.normal[:, None]


def _lashes(
    anatomy: Anatomy, vertices: np.ndarray, eyes: dict[str, tuple[np.ndarray, float]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lines across the quads of the lash helper, from the edge that lies nearer the eye."""
    edges, share, is_upper = [], [], []
    for kind, number in ((meshes.LASHES_UPPER, 3), (meshes.LASHES_LOWER, 1)):
        for quad in anatomy.meshes.of_kind(kind):
            corners = vertices[quad]
            centre = eyes["left" if corners[:, 0].mean() > 0 else "right"][0]
            far = np.linalg.norm(corners - centre, axis=1)
            # Opposite edges are 01 and 23, or 12 and 30: those that differ most in distance.
            one, two = far[0] + far[1] - far[2] - far[3], far[1] + far[2] - far[3] - far[0]
            if abs(one) > abs(two):
                order = (0, 1, 3, 2) if one < 0 else (3, 2, 0, 1)
            else:
                order = (1, 2, 0, 3) if two < 0 else (0, 3, 1, 2)
            for place in range(number):
                edges.append(quad[list(order)])
                share.append((place + 0.5) / number)
                is_upper.append(kind == meshes.LASHES_UPPER)
    return np.int32(edges), np.float32(share), np.array(is_upper)
