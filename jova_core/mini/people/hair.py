"""A person's hair: strands of the style, their colours, the knot, and the light on them."""

import numpy as np

from .anatomy import Anatomy
from .attributes import Person
from .facemaps import FaceMaps
from .grid import CELLS, light_through, splat
from .hairstyles import CLUMPS, COUNTS, KNOTS, Styling, style_hair
from .identity import Traits
from .raster import unit
from .strands import Growth, Roots, Strands, draw_roots, gather_locks, grow_strands

WIDTH = 2


def grow_hair(
    person: Person,
    traits: Traits,
    maps: FaceMaps,
    anatomy: Anatomy,
    vertices: np.ndarray,
    normals: np.ndarray,
    distance: np.ndarray,
) -> Strands:
    """The hair of the head; none at all for somebody bald."""
    rng = np.random.default_rng((person.seed, 4))
    count, points = COUNTS[person.hair_style]
    if not count:
        return Strands(
            points=np.zeros((0, points, 3), np.float32),
            colour=np.zeros((0, 3), np.float32),
            alpha=np.zeros(0, np.float32),
            width=np.zeros(0, np.int32),
        )
    roots = draw_roots(rng, count, anatomy, vertices, normals, maps.scalp)
    growth = style_hair(Styling(rng, person, maps, roots))
    grown = grow_strands(rng, roots, growth, points, distance)
    clump = CLUMPS.get(person.hair_style, 0.35)
    grown, near, kept = gather_locks(rng, roots, growth, grown, clump)
    if person.hair_style in ("afro", *KNOTS):
        kept[:] = True
    shade = np.exp(0.10 * rng.normal(size=count) + (0.14 * rng.normal(size=count))[near])
    if person.hair_colour == "gray":
        shade *= np.where(rng.random(count) < 0.25, 0.5, 1.08)
    inside = roots.canon[:, 1] - maps.hairline(roots.angle)
    # Thin at the hair line, or it would look like the edge of a cap.
    alpha = 0.35 + 0.61 * np.clip((inside + 0.05) / 0.16, 0, 1)
    hair = Strands(
        points=grown[kept],
        colour=np.float32(traits.hair * shade[:, None])[kept],
        alpha=alpha.astype(np.float32)[kept],
        width=np.full(kept.sum(), WIDTH, np.int32),
    )
    return _with_knot(rng, hair, person, traits, distance)


def _with_knot(
    rng: np.random.Generator,
    hair: Strands,
    person: Person,
    traits: Traits,
    distance: np.ndarray,
) -> Strands:
    """The hair with its bun or ponytail, where it has one."""
    if person.hair_style not in KNOTS:
        return hair
    at = np.array(KNOTS[person.hair_style])
    points = hair.points.shape[1]
    if person.hair_style == "bun":
        tail = _bun(rng, at, points)
    else:
        tail = _ponytail(rng, at, points, distance)
    colour = traits.hair * np.exp(0.2 * rng.normal(size=(len(tail), 1)))
    return Strands(
        points=np.concatenate([hair.points, tail]).astype(np.float32),
        colour=np.concatenate([hair.colour, colour]).astype(np.float32),
        alpha=np.concatenate([hair.alpha, np.full(len(tail), 0.96, np.float32)]),
        width=np.concatenate([hair.width, np.full(len(tail), WIDTH, np.int32)]),
    )


def _bun(rng: np.random.Generator, at: np.ndarray, points: int) -> np.ndarray:
    count = 600
    along = np.linspace(0, 1, points)[None]
    turn = rng.uniform(0, 2 * np.pi, (count, 1)) + 2.2 * along
    rise = 1.2 * rng.uniform(-1, 1, (count, 1)) + 0.5 * np.sin(turn)
    ball = np.stack(
        [np.cos(turn) * np.cos(rise), 0.85 * np.sin(rise), np.sin(turn) * np.cos(rise)], -1
    )
    return at + [0, 0.1, 0] + 0.29 * ball * rng.uniform(0.85, 1.03, (count, 1, 1))


def _ponytail(
    rng: np.random.Generator, at: np.ndarray, points: int, distance: np.ndarray
) -> np.ndarray:
    # It falls over a shoulder, or nobody would see it from the front.
    count, side = 700, rng.choice([-1, 1])
    place = (at + 0.05 * rng.normal(size=(count, 3))).astype(np.float32)
    out = unit(np.array([0.9 * side, 0.1, -0.5]) + 0.15 * rng.normal(size=(count, 3)))
    roots = Roots(
        corners=np.zeros((count, 3), np.int32),
        shares=np.zeros((count, 3), np.float32),
        place=place,
        normal=out.astype(np.float32),
        canon=place,
    )
    constant = {
        "length": 2.9,
        "strength": 0.3,
        "decay": 0.8,
        "gravity": 0.2,
        "lift": 0.06,
        "layer": 0.12,
        "curl": 0.025,
        "turns": 1.5,
        "upright": 0.9,
    }
    growth = Growth(
        comb=np.tile([0.9 * side, 0, 0.25], (count, 1)),
        **{name: np.full(count, value) for name, value in constant.items()},
    )
    return grow_strands(rng, roots, growth, points, distance)


def hair_density(hair: Strands) -> np.ndarray:
    """How much hair is in each cell of the grid, as absorption of light over a cell."""
    density = np.zeros(CELLS, np.float32)
    if len(hair.points):
        steps = np.linalg.norm(np.diff(hair.points, axis=1), axis=2).sum(1)
        amount = 0.27 * 5600 / len(hair.points) * np.maximum(0.12, steps) / hair.points.shape[1]
        splat(hair.points, amount.astype(np.float32), density)
    return density


def light_hair(
    hair: Strands, density: np.ndarray, distance: np.ndarray, key: np.ndarray, rim: np.ndarray
) -> None:
    """Share of key, rim and ambient light that reaches every point, into `hair.light`."""
    around = unit(np.array([[0, 1, 0.3], [0, 0.1, 1], [-key[0], 0.2, 0.6]]))
    directions = np.concatenate([[key], [rim], around]).astype(np.float32)
    places = np.ascontiguousarray(hair.points.reshape(-1, 3))
    reached = np.zeros((len(places), len(directions)), np.float32)
    light_through(places, directions, density, distance, 12, True, reached)
    ambient = 0.15 + 0.85 * reached[:, 2:].mean(1)
    light = np.stack([reached[:, 0], reached[:, 1], ambient], 1)
    hair.light = light.reshape(*hair.points.shape).astype(np.float32)


def looseness(hair: Strands) -> np.ndarray:
    """How freely each point [n, S] lags behind the head: grows with the distance from the root."""
    steps = np.linalg.norm(np.diff(hair.points, axis=1), axis=2)
    along = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, 1)], 1)
    return (0.75 * np.clip(along / 2.4, 0, 1) ** 1.3).astype(np.float32)
