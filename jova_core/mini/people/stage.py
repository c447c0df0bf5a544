"""A head and a performance to pictures.

Legend: F frames, N vertices, n strands, W picture side in supersampled pixels.
"""

from dataclasses import dataclass

import numpy as np

from ...errors import JoVAError
from .develop import develop
from .head import Head
from .light import harmonics, paint_backdrop, tone_table
from .lines import draw_strands, hang, hang_lashes, light_strands
from .perform import Moment, Performance, rest
from .raster import add_units, normals, pose, project, rasterise, rotation
from .shading import light_vertices, shade

# Every pixel is the mean of this many squared.
FINER = 2
# The neck takes this share of the head's turn and shift.
NECK_TURN, NECK_SHIFT = 0.45, 0.5
FACE_HAIR_LIGHT = np.float32([0.8, 0.5, 0.75])
LASH_LIGHT = np.float32([0.3, 0.1, 0.4])
GLASSES_LIGHT = np.float32([0.8, 0.8, 0.8])
# Lashes are drawn a little nearer than they lie, or the lid would hide them.
LASH_BIAS = 1.0006
# Strands with fewer pixels in all nine turns together are not worth their time.
FEWEST_PIXELS = 14
NOBODY = np.zeros((1, 1), np.int32)


def render(head: Head, performance: Performance, *, size: int = 192) -> np.ndarray:
    """Pictures uint8 [F, size, size, 3] of a performance; the same input gives the same pixels.

    JoVAError for a size below 16 px.
    """
    if size < 16:
        raise JoVAError(f"Got a picture size of {size} px; expected 16 or more.")
    frames = np.zeros((len(performance), size, size, 3), np.uint8)
    stage = Stage(head, size)
    for index in range(len(performance)):
        stage.draw(performance[index])
        develop(stage.picture, stage.table, FINER, frames[index])
    return frames


def strands_seen(head: Head) -> np.ndarray:
    """Numbers of the strands that show in any of nine turns of the head."""
    stage = Stage(head, 192)
    pixels = np.zeros(len(head.hair.points), int)
    still = rest(1)[0]
    for yaw in (-0.33, 0, 0.33):
        for pitch in (-0.15, 0, 0.15):
            stage.owner = np.full((stage.side, stage.side), -1, np.int32)
            turned = np.float32([yaw, pitch, 0])
            moment = Moment(**{**vars(still), "head": turned, "lag": turned})
            stage.draw(moment, face_hair=False)
            pixels += np.bincount(stage.owner[stage.owner >= 0], minlength=len(pixels))
    return np.flatnonzero(pixels >= FEWEST_PIXELS)


@dataclass(frozen=True, kw_only=True)
class Motions:
    """Rigid motions float32 [3, 4] of one frame."""

    head: np.ndarray
    neck: np.ndarray
    lag: np.ndarray


class Stage:
    """The buffers that one head is drawn in."""

    def __init__(self, head: Head, size: int) -> None:
        """Buffers for pictures of `size` px."""
        self.head, side = head, size * FINER
        self.side, self.owner, self.table = side, NOBODY, tone_table()
        x, y, z, focal = head.camera
        self.camera = np.float32([x, y, z, focal * side, side / 2])
        self.backdrop = paint_backdrop(head.lights, side)
        self.picture = np.zeros((side, side, 3), np.float32)
        self.depth = np.zeros((side, side), np.float32)
        self.shown = np.zeros((side, side), np.int32)
        self.neutral, self.posed, self.places, self.normals = (
            np.zeros_like(head.vertices) for _ in range(4)
        )
        self.vertex = head.vertex.copy()
        # Bone weights of hair that is stiff: glasses.
        self.stiff = np.ones(0, np.float32)

    def draw(self, moment: Moment, *, face_hair: bool = True) -> None:
        """Draws one moment into `picture`, linear light [W, W, 3]."""
        head = self.head
        motions = self.place(moment)
        normals(self.posed, head.triangles, self.normals)
        self._face_viewer()
        self._light(moment)
        project(self.posed, self.camera, self.places)
        self.depth[:] = 0
        self.shown[:] = -1
        self.picture[:] = self.backdrop
        rasterise(self.places, head.triangles, head.one_sided, self.depth, self.shown)
        lights = head.lights
        shade(
            *(self.shown, self.depth, self.places, head.triangles, head.material, head.rough),
            *(self.normals, self.vertex, head.skin, lights.directions, lights.colours),
            *(head.paint, np.float32(head.lip_gloss), np.float32(self.lip_gap()), self.picture),
        )
        self._draw_hair(motions)
        if face_hair:
            self._draw_face_hair(motions)
            self._draw_glasses(motions)

    def place(self, moment: Moment) -> Motions:
        """Moves the vertices to a moment: `neutral` before, `posed` after the head turns."""
        head, anatomy = self.head, self.head.anatomy
        self.neutral[:] = head.vertices
        starts, rows, offsets = anatomy.unit_starts, anatomy.unit_rows, anatomy.unit_offsets
        add_units(self.neutral, starts, rows, offsets, moment.units)
        if moment.tongue:
            tongue = anatomy.tongue
            tip = np.clip((anatomy.canon[tongue, 2] - 0.85) / 0.5, 0, 1) ** 1.5
            self.neutral[tongue, 1] += moment.tongue * 0.15 * tip
            self.neutral[tongue, 2] += moment.tongue * 0.05 * tip
        look = rotation(moment.gaze[0], -moment.gaze[1], 0).astype(np.float32)
        for side, (centre, radius) in head.eyes.items():
            eye = anatomy.parts[f"eye_{side}"]
            self.neutral[eye] = (anatomy.eyeball * np.float32(radius)) @ look.T + centre
        motions = motions_of(head, moment)
        pose(self.neutral, *head.weights, motions.head, motions.neck, self.posed)
        return motions

    def lip_gap(self) -> float:
        """How much further than at rest the lips are apart, in units of 10 cm."""
        upper, lower = self.head.anatomy.lips
        gap = self.neutral[upper, 1] - self.neutral[lower, 1]
        at_rest = self.head.vertices[upper, 1] - self.head.vertices[lower, 1]
        return max(0.0, float(gap - at_rest))

    def _face_viewer(self) -> None:
        """Turn the normals of the shirt's band, which has two sides, towards the camera."""
        band = self.normals[self.head.anatomy.count :]
        band *= np.where(band[:, 2:] < 0, np.float32(-1), np.float32(1))

    def _light(self, moment: Moment) -> None:
        head, lights = self.head, self.head.lights
        turned = lights.directions @ rotation(*moment.head)
        seen = np.concatenate([harmonics(turned), harmonics(lights.directions)])
        skin = head.skin_light
        light_vertices(
            *(self.normals, skin.ambient, skin.shadow, head.body, seen),
            *(lights.directions, lights.colours, self.vertex),
        )

    def _lines(
        self,
        points: np.ndarray,
        reached: np.ndarray,
        colour: np.ndarray,
        alpha: np.ndarray,
        width: np.ndarray,
        *,
        shine: float,
        bias: float = 1.0,
        owned: bool = False,
    ) -> None:
        """Lights, projects and draws strands [n, S, 3]."""
        lights = self.head.lights
        lit, places = np.empty_like(points), np.empty_like(points)
        light_strands(
            *(points, reached, colour, lights.directions, lights.colours, lights.ambient),
            *(np.float32(shine), lit),
        )
        project(points.reshape(-1, 3), self.camera, places.reshape(-1, 3))
        owner = self.owner if owned else NOBODY
        draw_strands(
            *(places, lit, alpha, width, np.float32(bias), self.depth, self.picture, owner)
        )

    def _draw_hair(self, motions: Motions) -> None:
        hair = self.head.hair
        if not len(hair.points):
            return
        moved = np.empty_like(hair.points)
        weights = self.head.hair_weights
        pose(hair.points.reshape(-1, 3), *weights, motions.head, motions.lag, moved.reshape(-1, 3))
        self._lines(
            *(moved, hair.light, hair.colour, hair.alpha, hair.width), shine=1.0, owned=True
        )

    def _draw_face_hair(self, motions: Motions) -> None:
        hair = self.head.face_hair
        hung = np.empty_like(hair.offsets)
        turn = np.ascontiguousarray(motions.head[:, :3])
        hang(self.posed, hair.corners, hair.shares, hair.offsets, turn, hung)
        reached = np.broadcast_to(FACE_HAIR_LIGHT, hung.shape)
        single = np.ones(len(hung), np.int32)
        self._lines(hung, reached, hair.colour, hair.alpha, single, shine=0.25)
        lashes = np.empty((len(hair.lash_edges), 2, 3), np.float32)
        length = np.float32(hair.lash_length)
        hang_lashes(self.posed, hair.lash_edges, hair.lash_share, length, lashes)
        reached = np.broadcast_to(LASH_LIGHT, lashes.shape)
        dark = np.full((len(lashes), 3), 0.008, np.float32)
        single = np.ones(len(lashes), np.int32)
        self._lines(lashes, reached, dark, hair.lash_alpha, single, shine=0, bias=LASH_BIAS)

    def _draw_glasses(self, motions: Motions) -> None:
        glasses = self.head.glasses
        if glasses is None:
            return
        moved = glasses.lines @ motions.head[:, :3].T + motions.head[:, 3]
        count = len(moved)
        self._lines(
            *(moved, np.broadcast_to(GLASSES_LIGHT, moved.shape)),
            *(np.tile(glasses.colour, (count, 1)), np.full(count, 4, np.float32)),
            np.full(count, glasses.width, np.int32),
            shine=1.0,
        )


def motions_of(head: Head, moment: Moment) -> Motions:
    """How head, neck and lagging hair move at a moment."""
    top, foot = head.pivots

    def about(turn: np.ndarray, pivot: np.ndarray, shift: np.ndarray) -> np.ndarray:
        return np.column_stack([turn, pivot - turn @ pivot + shift]).astype(np.float32)

    def carried(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        neck = about(rotation(*(NECK_TURN * angles)), foot, NECK_SHIFT * moment.shift)
        # The neck carries the pivot of the head along.
        shift = neck[:, :3] @ top + neck[:, 3] - top + (1 - NECK_SHIFT) * moment.shift
        return about(rotation(*angles), top, shift), neck

    whole, neck = carried(moment.head)
    lag, _ = carried(moment.lag)
    return Motions(head=whole, neck=neck, lag=lag)
