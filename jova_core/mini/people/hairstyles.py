"""The hair styles: how the strands of each grow. All numbers are ours, found by looking."""

from collections.abc import Callable

import numpy as np

from .attributes import Person
from .facemaps import FaceMaps
from .raster import unit
from .strands import Growth, Roots

# Strands and points of a strand for each style.
COUNTS = {
    "long": (3600, 14),
    "wavy": (4000, 14),
    "bob": (3400, 12),
    "bun": (5000, 9),
    "ponytail": (5000, 9),
    "curly": (3800, 14),
    "short": (3400, 8),
    "afro": (4200, 9),
    "swept-back": (3400, 9),
    "buzz-cut": (4200, 4),
    "receding": (2600, 6),
    "bald": (0, 4),
}
# How much the strands of a lock are drawn together.
CLUMPS = {
    **dict.fromkeys(("long", "wavy", "bob", "curly"), 0.5),
    **dict.fromkeys(("bun", "ponytail", "buzz-cut"), 0.12),
    "afro": 0.25,
}
KNOTS = {"bun": (0.0, 8.5, -0.42), "ponytail": (0.0, 7.3, -0.95)}


class Styling:
    """The roots of one person's hair with what the styles ask of them."""

    def __init__(
        self, rng: np.random.Generator, person: Person, maps: FaceMaps, roots: Roots
    ) -> None:
        """Places on the head: `top` 1 on the crown, `front`, `back`, and `away` from the part."""
        self.rng, self.person, self.maps, self.roots = rng, person, maps, roots
        self.x, self.y, self.z = roots.canon.T
        self.count = len(self.x)
        self.top = np.clip((self.y - 7.75) / 0.35, 0, 1)
        self.front = np.clip((self.z - 0.2) / 0.7, 0, 1) * self.top
        self.back = np.clip((0.25 - self.z) / 0.4, 0, 1)
        self.side = np.sign(self.x)
        self.part = float(rng.choice((-0.3, -0.12, 0.12, 0.3)))
        self.away = np.where(self.x > self.part, 1.0, -1.0)
        # Hair lies flat on the part, or it would stand up on both sides of it.
        self.open = 0.25 + 0.75 * np.clip(np.abs(self.x - self.part) / 0.4, 0, 1)

    def vectors(self, x: object, y: object, z: object) -> np.ndarray:
        """Vectors [n, 3] of numbers or arrays [n]."""
        return np.stack([np.broadcast_to(np.float64(a), self.count) for a in (x, y, z)], 1)

    def growth(self, **given: object) -> Growth:
        """A growth with `given` numbers or arrays [n], and usual values for the rest."""
        usual = {
            "length": 0.3,
            "strength": 0.5,
            "decay": 0.5,
            "gravity": 0.15,
            "lift": 0.02,
            "layer": 0.06,
            "curl": 0.0,
            "turns": 2.0,
            "upright": 0.35,
        }
        comb = given.pop("comb")
        arrays = {
            name: np.broadcast_to(np.float64(value), self.count).copy()
            for name, value in (usual | given).items()
        }
        return Growth(comb=np.asarray(comb, np.float64), **arrays)

    def downwards(self) -> np.ndarray:
        """Combed down the sides and the back."""
        return self.vectors(0.15 * self.side, -1, np.where(self.z > 0, -0.25, 0.1))

    def mixed(self, on_top: np.ndarray, elsewhere: np.ndarray) -> np.ndarray:
        """One direction on the crown, another on the sides."""
        return elsewhere * (1 - self.top[:, None]) + on_top * self.top[:, None]


def style_hair(styling: Styling) -> Growth:
    """The growth of the person's style."""
    return _STYLES[styling.person.hair_style](styling)


def _cropped(s: Styling) -> Growth:
    comb = s.mixed(s.vectors(0.3, 0, 0.8), s.downwards())
    return s.growth(length=0.07, comb=comb, strength=0.8, lift=0.0, layer=0.012, upright=0.5)


def _receding(s: Styling) -> Growth:
    back = s.downwards() + s.vectors(0, 0, -0.9)
    return s.growth(length=0.2, comb=back, strength=0.8, lift=0.01, layer=0.04)


def _short(s: Styling) -> Growth:
    man = s.person.man
    mess = 0.25 * s.rng.normal(size=(s.count, 3))
    # Combed to one side over the whole crown: a part would split so little hair into two tufts.
    forwards = s.vectors(0.9 * np.sign(-s.part), 0.0, 0.6) + mess
    length = (0.15 if man else 0.3) + s.top * s.rng.uniform(0.2, 0.34)
    return s.growth(
        length=length * s.rng.uniform(0.8, 1.1, s.count),
        comb=s.mixed(forwards, s.downwards() + 0.5 * mess),
        lift=0.02 + 0.04 * s.top,
        layer=0.03 + 0.07 * s.top,
        gravity=0.15 if man else 0.5,
        curl=0.012,
        turns=0.8,
        upright=0.3,
    )


def _swept_back(s: Styling) -> Growth:
    on_top = s.vectors(0.25 * np.sign(-s.part) + 0.3 * s.x, 0.1, -1.1)
    return s.growth(
        length=(0.15 + 0.5 * s.top) * s.rng.uniform(0.85, 1.1, s.count),
        comb=s.mixed(on_top, s.downwards() + np.array([0, 0.2, -0.8])),
        strength=0.65,
        gravity=0.3,
        lift=0.02 + 0.06 * s.front + 0.02 * s.top,
        layer=0.03 + 0.05 * s.top,
        curl=0.012,
        turns=0.7,
        upright=0.2 + 0.1 * s.front,
    )


def _hanging(s: Styling, end: float, **changes: object) -> Growth:
    """Hair that falls to the height `end` on both sides of a part, some with a fringe."""
    rng = s.rng
    end = end + 0.12 * rng.normal()
    length = np.clip((s.y - end) * 1.02 + 0.35 * s.top + 0.1, 0.3, 4)
    sides = s.vectors(
        s.away * (0.3 + 0.35 * s.top), 0, -0.15 - 0.75 * np.clip((s.z - 0.2) / 0.6, 0, 1)
    )
    behind = s.vectors(0.25 * s.side, -0.6, -0.6)
    growth = s.growth(
        **{
            "length": length * rng.uniform(0.86, 1.06, s.count),
            "comb": sides * (1 - s.back[:, None]) + behind * s.back[:, None],
            "strength": 0.9,
            "decay": 0.42,
            "gravity": 0.7,
            "upright": 0.14,
            "lift": 0.05,
            "layer": 0.15 * s.open,
            "curl": 0.015,
            "turns": 1.2,
            **changes,
        }
    )
    if rng.random() < 0.35 and s.person.hair_style in ("bob", "long"):
        _fringe(s, growth)
    return growth


def _fringe(s: Styling, growth: Growth) -> None:
    """Cut the front hair short and comb it over the forehead, in place."""
    at = (s.y < 8.28) & (np.abs(s.roots.angle) < 0.62) & (s.z > 0.3)
    growth.length[at] = 0.5 * s.rng.uniform(0.9, 1.05, at.sum()) + (s.y[at] - 8.03)
    growth.comb[at] = s.vectors(0.5 * s.x + 0.1 * s.away, 0.1, 1.0)[at]
    for name, value in (
        *(("strength", 0.5), ("gravity", 0.35), ("curl", 0.0)),
        *(("lift", 0.035), ("layer", 0.05), ("upright", 0.4)),
    ):
        getattr(growth, name)[at] = value


def _long(s: Styling) -> Growth:
    return _hanging(s, 6.55 if s.person.man else 5.4)


def _wavy(s: Styling) -> Growth:
    return _hanging(s, 5.6, curl=0.05, turns=2.4, layer=0.2 * s.open)


def _bob(s: Styling) -> Growth:
    return _hanging(s, 6.35, layer=0.2 * s.open)


def _curly(s: Styling) -> Growth:
    if not s.person.man:
        return _hanging(s, 6.1, curl=0.06, turns=4.5, layer=0.34 * s.open, gravity=0.5, lift=0.08)
    mess = 0.4 * s.rng.normal(size=(s.count, 3))
    return s.growth(
        length=0.14 + 0.32 * s.top,
        comb=s.mixed(s.vectors(0.3 * s.away, 0.2, 0.6) + mess, s.downwards()),
        lift=0.02 + 0.04 * s.top,
        layer=0.05 + 0.2 * s.top,
        curl=0.028 + 0.025 * s.top,
        turns=2.2,
        upright=0.45,
    )


def _tied(s: Styling) -> Growth:
    """Drawn back to a knot, with some volume over the forehead and stray hairs."""
    to_knot = np.array(KNOTS[s.person.hair_style]) - s.roots.canon
    stray = s.rng.random(s.count) < 0.05
    mess = np.where(stray[:, None], 0.35, 0.03) * s.rng.normal(size=(s.count, 3))
    return s.growth(
        length=np.linalg.norm(to_knot, axis=1) * np.where(stray, 0.35, 1.12),
        comb=unit(to_knot) + mess,
        strength=1.4,
        decay=9.0,
        gravity=0.22,
        lift=0.015 + 0.06 * s.front,
        layer=0.05,
        curl=0.008,
        turns=1.0,
        upright=0.1,
    )


def _afro(s: Styling) -> Growth:
    return s.growth(
        length=s.rng.uniform(0.32, 0.46, s.count) * (0.75 + 0.3 * s.top),
        comb=s.roots.normal + 0.12 * s.rng.normal(size=(s.count, 3)),
        gravity=0.0,
        lift=0.1,
        layer=0.05,
        curl=0.032,
        turns=3.0,
        upright=1.0,
    )


_STYLES: dict[str, Callable[[Styling], Growth]] = {
    "long": _long,
    "wavy": _wavy,
    "bob": _bob,
    "bun": _tied,
    "ponytail": _tied,
    "curly": _curly,
    "short": _short,
    "afro": _afro,
    "swept-back": _swept_back,
    "buzz-cut": _cropped,
    "receding": _receding,
    "bald": _cropped,
}
