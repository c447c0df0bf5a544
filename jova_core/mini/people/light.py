"""Lamps, surroundings and backdrop of a person, and what of their light reaches the skin.

Shadows are nine coefficients of spherical harmonics for each vertex: the share of light from a
direction that is not blocked (precomputed radiance transfer: Sloan, Kautz, Snyder 2002).
Legend: N vertices, D directions.
"""

from dataclasses import dataclass

import numpy as np

from .attributes import Person
from .grid import light_through
from .identity import linear
from .raster import rasterise, unit, visible_share

DIRECTIONS = 96
MAP_SIZE, MAP_SCALE = 200, 200 / 5.2
MAP_CENTRE = np.float32([0, 6.7, 0.1])
BACKGROUNDS = {
    "white": (226, 226, 224),
    "gray": (118, 120, 122),
    "yellow": (226, 186, 72),
    "blue": (62, 104, 176),
    "green": (70, 134, 84),
    "pink": (226, 142, 166),
}
SHIRTS = {
    "red": (160, 40, 44),
    "yellow": (214, 174, 62),
    "green": (46, 112, 68),
    "blue": (46, 78, 150),
    "purple": (100, 62, 130),
    "black": (30, 30, 33),
    "white": (214, 214, 211),
    "gray": (118, 120, 124),
}


@dataclass(frozen=True, kw_only=True)
class Lights:
    """Two lamps, key and rim, and light from all round; colours are linear RGB."""

    directions: np.ndarray  # float32 [2, 3], towards key and rim lamp
    colours: np.ndarray  # float32 [2, 3]
    surroundings: np.ndarray  # float32 [D, 3], light from each of `sphere(D)`
    ambient: np.ndarray  # float32 [3], on a surface that faces the camera
    backdrop: tuple[np.ndarray, np.ndarray]  # linear RGB in the middle and at the edge
    glow: np.ndarray  # float32 [2], middle of the backdrop's gradient, as shares of the picture


def draw_lights(person: Person, shirt: np.ndarray) -> Lights:
    """The light of a person, by the person's seed, backdrop and linear shirt colour."""
    rng = np.random.default_rng((person.light or person.seed, 5))
    side = rng.choice([-1, 1])
    around, above = side * rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.65)
    key = np.array([np.sin(around) * np.cos(above), np.sin(above), np.cos(around) * np.cos(above)])
    rim = unit(np.array([-side * rng.uniform(0.75, 0.95), rng.uniform(0.25, 0.5), -0.5]))
    warm = rng.uniform(-1, 1)
    key_colour = np.array([1 + 0.07 * warm, 1.0, 1 - 0.09 * warm]) * rng.uniform(0.82, 1.05)
    rim_colour = np.array([1 - 0.1 * warm, 1.0, 1 + 0.12 * warm]) * rng.uniform(0.2, 0.9)
    wall = linear(BACKGROUNDS[person.background])
    from_all = sphere(DIRECTIONS)
    sky = 0.27 * (0.75 + 0.25 * wall / wall.mean()) * rng.uniform(0.85, 1.15)
    ground = 0.13 * (0.5 + 0.5 * shirt / max(float(shirt.mean()), 0.1))
    upwards = from_all[:, 1:2] * 0.5 + 0.5
    fill = unit(np.array([-1.2 * key[0], 0.1, 0.8]))
    filled = np.clip(from_all @ fill, 0, 1)[:, None] ** 2 * rng.uniform(0.25, 0.5)
    surroundings = sky * upwards + ground * (1 - upwards) + filled
    facing = np.clip(from_all[:, 2:3], 0, 1)
    level = rng.uniform(0.92, 1.08)
    return Lights(
        directions=np.stack([key, rim]).astype(np.float32),
        colours=np.stack([key_colour, rim_colour]).astype(np.float32),
        surroundings=surroundings.astype(np.float32),
        ambient=((surroundings * facing).sum(0) * 4 / DIRECTIONS).astype(np.float32),
        backdrop=(wall * level, wall * level * rng.uniform(0.5, 0.75)),
        glow=np.float32([0.5 + 0.25 * side * rng.random(), rng.uniform(0.2, 0.55)]),
    )


def paint_backdrop(lights: Lights, size: int) -> np.ndarray:
    """The plain backdrop with its soft gradient: linear float32 [size, size, 3]."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    far = np.clip(np.hypot(x - lights.glow[0], y - lights.glow[1]) / 0.95, 0, 1)
    share = (far * far * (3 - 2 * far))[..., None]
    middle, edge = lights.backdrop
    # The picture's tone curve is undone, or a named colour would come out another.
    return np.ascontiguousarray(exposed(middle + (edge - middle) * share).astype(np.float32))


# Tone curve: Reinhard's with a white point (2002), which keeps faces softer than film curves do.
_EXPOSURE, _WHITE = 1.35, 2.0


def _toned(light: np.ndarray) -> np.ndarray:
    x = light * _EXPOSURE
    return np.clip(x * (1 + x / _WHITE**2) / (1 + x), 0, 1)


def exposed(shown: np.ndarray) -> np.ndarray:
    """The light that the tone curve shows as linear `shown` 0..1."""
    light = np.linspace(0, 6, 4096)
    return np.interp(shown, _toned(light), light)


def tone_table(size: int = 4096) -> np.ndarray:
    """sRGB bytes [size] for the square root of half the light at 0 .. 1."""
    shown = _toned(2 * np.linspace(0, 1, size) ** 2)
    srgb = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)
    return (255 * srgb + 0.5).astype(np.uint8)


def sphere(count: int) -> np.ndarray:
    """Directions [count, 3] spread evenly over the sphere (a Fibonacci lattice)."""
    index = np.arange(count) + 0.5
    height = 1 - 2 * index / count
    radius, turn = np.sqrt(1 - height**2), np.pi * (1 + 5**0.5) * index
    return np.stack([radius * np.cos(turn), height, radius * np.sin(turn)], 1).astype(np.float32)


def harmonics(directions: np.ndarray) -> np.ndarray:
    """The nine real spherical harmonics of bands 0 to 2 of unit vectors [..., 3]: [..., 9]."""
    x, y, z = np.moveaxis(np.asarray(directions), -1, 0)
    values = (
        *(0.282095 * np.ones_like(x), 0.488603 * y, 0.488603 * z, 0.488603 * x),
        *(1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z * z - 1)),
        *(1.092548 * x * z, 0.546274 * (x * x - y * y)),
    )
    return np.stack(values, -1).astype(np.float32)


def open_directions(vertices: np.ndarray, normals: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Share [N, D] of light from each direction that the mesh itself does not block."""
    visible = np.zeros((len(vertices), DIRECTIONS), np.float32)
    depth = np.zeros((MAP_SIZE, MAP_SIZE), np.float32)
    shown = np.zeros((MAP_SIZE, MAP_SIZE), np.int32)
    both_sides = np.zeros(len(triangles), np.uint8)
    share = np.zeros(len(vertices), np.float32)
    outside = vertices + 0.025 * normals - MAP_CENTRE
    for index, towards in enumerate(sphere(DIRECTIONS)):
        across = unit(np.cross([0, 1, 0.01], towards))
        frame = np.stack([across, np.cross(towards, across), towards], 1).astype(np.float32)
        scale = np.float32([MAP_SCALE, MAP_SCALE, 1])
        middle = np.float32([MAP_SIZE / 2, MAP_SIZE / 2, 0])
        depth[:] = -1e9
        rasterise(
            (vertices - MAP_CENTRE) @ frame * scale + middle, triangles, both_sides, depth, shown
        )
        raised = outside @ frame * scale + middle
        along = np.ascontiguousarray(raised[:, 2])
        visible_share(raised, along, depth, np.float32(0.012), share)
        visible[:, index] = share
    return visible


@dataclass(frozen=True, kw_only=True)
class SkinLight:
    """Light on the vertices: ambient light [N, 3], and shadows as harmonics [N, 9]."""

    ambient: np.ndarray
    shadow: np.ndarray


def light_skin(
    vertices: np.ndarray,
    normals: np.ndarray,
    triangles: np.ndarray,
    lights: Lights,
    density: np.ndarray,
    distance: np.ndarray,
) -> SkinLight:
    """What reaches each vertex past the head and its hair (density and distance on the grid)."""
    visible = open_directions(vertices, normals, triangles)
    directions = sphere(DIRECTIONS)
    if density.any():
        near = np.flatnonzero(vertices[:, 1] > 5.0)
        through = np.zeros((len(near), DIRECTIONS), np.float32)
        raised = np.ascontiguousarray(vertices[near] + 0.06 * normals[near])
        light_through(raised, directions, density, distance, 7, False, through)
        visible[near] *= through
    cosine = normals @ directions.T
    # Directions behind the surface take the mean of the others: they must not darken the fit.
    front = cosine > -0.05
    mean = (visible * front).sum(1) / np.maximum(front.sum(1), 1)
    full = np.where(front, visible, mean[:, None])
    full = 0.5 * full + 0.5 * blur(full, triangles, 1)
    shadow = full @ harmonics(directions) * (4 * np.pi / DIRECTIONS)
    ambient = (visible * np.clip(cosine, 0, None)) @ lights.surroundings * (4 / DIRECTIONS)
    # Red light spreads furthest under the skin.
    spread = np.float32([0.7, 0.35, 0.25])
    ambient += spread * (blur(ambient, triangles, 2) - ambient)
    return SkinLight(
        ambient=np.ascontiguousarray(ambient, np.float32),
        shadow=np.ascontiguousarray(shadow, np.float32),
    )


def blur(values: np.ndarray, triangles: np.ndarray, times: int) -> np.ndarray:
    """Values [N, C] averaged with their neighbours on the mesh, `times` times."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = edges[np.argsort(edges[:, 0], kind="stable")]
    rows, first = np.unique(edges[:, 0], return_index=True)
    count = np.diff([*first, len(edges)])[:, None]
    for _ in range(times):
        total = values.copy()
        total[rows] += np.add.reduceat(values[edges[:, 1]], first, axis=0)
        total[rows] /= 1 + count
        values = total
    return values
