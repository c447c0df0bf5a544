"""From a person's attributes and seed to shape amounts and colours: what makes somebody somebody.

All numbers here are ours, chosen by looking at the pictures.
"""

from dataclasses import dataclass, field

import numpy as np

from .attributes import Person
from .meshes import Meshes

# The age targets are made for about 25 and 90 years.
YOUNG_YEARS, OLD_YEARS = 25, 90
# Albedo in sRGB. Each named skin is a range between neighbours on this scale.
SKIN_SCALE = ((220, 182, 164), (204, 158, 133), (186, 138, 108), (140, 96, 70), (80, 54, 42))
SKIN_TONES = {
    "pale": (0.0, 0.04),
    "light": (0.21, 0.29),
    "tan": (0.46, 0.54),
    "brown": (0.71, 0.79),
    "dark": (0.95, 1.0),
}
# Shares of the African, Asian and Caucasian shapes for each skin, before they are varied.
ORIGINS = {
    "pale": (0.02, 0.12, 0.86),
    "light": (0.04, 0.4, 0.56),
    "tan": (0.15, 0.45, 0.4),
    "brown": (0.4, 0.3, 0.3),
    "dark": (0.88, 0.05, 0.07),
}
HAIR = {
    "black": ((18, 16, 16), (30, 26, 25)),
    "brown": ((62, 40, 27), (104, 68, 42)),
    "blond": ((156, 126, 86), (192, 162, 118)),
    "red": ((104, 46, 28), (134, 64, 38)),
    "gray": ((126, 124, 122), (170, 168, 166)),
}
IRIS = {
    "dark": (52, 30, 18),
    "brown": (96, 58, 28),
    "hazel": (122, 94, 48),
    "green": (92, 120, 76),
    "blue": (88, 130, 170),
    "gray": (120, 134, 142),
}
LIPSTICKS = ((178, 48, 62), (160, 48, 76), (204, 96, 98), (176, 76, 76))
# Features that look odd quickly get a part of the usual spread; the rest get all of it.
SPREAD = 0.29
TAMED = {
    **dict.fromkeys(("head-age", "head-angle", "head-round", "neck-double", "head-square"), 0.25),
    **dict.fromkeys(("eye-trans", "eye-push1", "mouth-angles", "ear-wing", "eye-corner1"), 0.4),
    **dict.fromkeys(("eye-height1", "eye-height2", "eye-height3", "eye-bag", "ear-flap"), 0.5),
    **dict.fromkeys(("chin-prognathism", "chin-jaw-drop", "head-scale-depth", "neck-scale"), 0.5),
    **dict.fromkeys(("eye-epicanthus", "eye-eyefold-angle", "nose-compression"), 0.5),
    **dict.fromkeys(("eyebrows-trans", "eyebrows-angle", "head-rectangular", "mouth-trans"), 0.5),
    **dict.fromkeys(
        ("head-triangular", "head-invertedtriangular", "head-fat", "head-diamond"), 0.4
    ),
    **dict.fromkeys(
        (
            "neck-scale-vert",
            "forehead-temple",
            "mouth-scale-vert",
            "ear-scale",
            "mouth-scale-horiz",
        ),
        0.45,
    ),
    **dict.fromkeys(("head-scale-horiz", "head-scale-vert", "chin-height", "chin-width"), 0.6),
    **dict.fromkeys(("nose-point", "nose-hump", "cheek-trans", "nose-septumangle"), 0.7),
}
LEAN = {
    "woman": {
        "head-oval": 0.3,
        "head-square": -0.1,
        "chin-width": -0.25,
        "chin-bones": -0.35,
        "chin-prominent": -0.1,
        "cheek-bones": 0.25,
        "cheek-volume": 0.15,
        "eye-scale": 0.15,
        "eye-corner2": 0.2,
        "eyebrows-trans": 0.3,
        "mouth-upperlip-volume": 0.35,
        "mouth-lowerlip-volume": 0.3,
        "mouth-angles": 0.3,
        "mouth-cupidsbow": 0.2,
        "mouth-scale-horiz": 0.1,
        "nose-scale-horiz": -0.35,
        "nose-volume": -0.3,
        "nose-hump": -0.2,
        "forehead-nubian": 0.1,
        "neck-scale-horiz": -0.15,
        "neck-scale-depth": -0.1,
    },
    "man": {
        "chin-prominent": 0.25,
        "chin-width": 0.35,
        "chin-bones": 0.35,
        "chin-height": 0.15,
        "head-square": 0.15,
        "eyebrows-trans": -0.2,
        "mouth-angles": 0.25,
        "mouth-upperlip-volume": -0.1,
        "mouth-scale-horiz": 0.1,
        "neck-scale-horiz": 0.35,
        "neck-scale-depth": 0.2,
        "nose-scale-vert": 0.1,
        "eye-scale": 0.1,
    },
}


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What is not in the caption: shape amounts, linear RGB albedos and shares in 0..1."""

    shape: dict[str, float] = field(repr=False)
    age: float  # 0 at 25 years, 1 at 90
    tone: float  # place on the skin scale, 0 pale to 1 dark
    skin: np.ndarray
    hair: np.ndarray
    brow: np.ndarray
    iris: np.ndarray
    lips: np.ndarray
    lip_gloss: float
    makeup: float
    stubble: float
    freckles: float
    shoulders: float  # width of the shoulders, 1 usual


def linear(srgb: tuple | np.ndarray) -> np.ndarray:
    """sRGB 0..255 as linear light float32 0..1 (IEC 61966-2-1)."""
    c = np.asarray(srgb, np.float32) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)


def draw_traits(person: Person, meshes: Meshes) -> Traits:
    """The hidden traits of a person, by the person's seed alone."""
    rng = np.random.default_rng((person.seed, 1))
    low, high = SKIN_TONES[person.skin]
    tone = float(rng.uniform(low, high))
    age = (person.age - YOUNG_YEARS) / (OLD_YEARS - YOUNG_YEARS)
    origins = rng.dirichlet(0.05 + 5 * np.array(ORIGINS[person.skin]))
    shape = _macro(rng, person, origins, age) | _local(rng, person.sex, age, meshes)
    scale = linear(SKIN_SCALE)
    places = np.linspace(0, 1, len(scale))
    skin = np.array([np.interp(tone, places, scale[:, c]) for c in range(3)])
    skin *= [1 + 0.02 * rng.normal(), 1, 1 + 0.04 * rng.normal()]
    dark, light = linear(HAIR[person.hair_colour])
    hair = dark + (light - dark) * rng.random()
    brow = np.minimum(hair, linear((118, 86, 58))) * (0.75 if person.man else 0.6)
    brow = np.minimum(brow, 0.4 * skin + 0.01)
    dark_eyed = tone > 0.35 or person.hair_colour == "black"
    names = ("dark", "brown") if dark_eyed else tuple(IRIS)[1:]
    iris = linear(IRIS[names[rng.integers(len(names))]]) * np.exp(0.15 * rng.normal())
    makeup = 0.0 if person.man else float(rng.choice([0.15, rng.uniform(0.4, 1.0)]))
    lips = skin * [0.86, 0.58, 0.60] + [0.03, 0, 0.006]
    tint = linear(LIPSTICKS[rng.integers(len(LIPSTICKS))]) * min(1, 0.25 + 2.2 * skin.mean())
    lips += (tint - lips) * (0.7 * makeup)
    none = person.beard == "none"
    stubble = float(rng.uniform(0.05, 0.3) if none else 0.75) if person.man else 0.0
    return Traits(
        shape=shape,
        age=age,
        tone=tone,
        skin=skin.astype(np.float32),
        hair=hair.astype(np.float32),
        brow=brow.astype(np.float32),
        iris=iris.astype(np.float32),
        lips=lips.astype(np.float32),
        lip_gloss=0.35 + 0.4 * makeup,
        makeup=makeup,
        stubble=stubble,
        freckles=float((rng.random() < 0.3) * rng.uniform(0.3, 1) * max(0, 1 - 2.5 * tone)),
        shoulders=float(np.exp(0.05 * rng.normal()) * (1.06 if person.man else 1.0)),
    )


def _macro(
    rng: np.random.Generator, person: Person, origins: np.ndarray, age: float
) -> dict[str, float]:
    """Amounts of the targets for sex, age, origin, muscle and weight; each set sums to one.

    Sexes go a little beyond the targets, or women would look androgynous.
    """
    male = rng.uniform(0.95, 1.15) if person.man else rng.uniform(-0.2, 0.02)
    muscle, weight = np.clip(rng.normal(0.5, 0.17, 2), 0.1, 0.95)
    muscle = muscle if person.man else 0.8 * muscle
    amounts: dict[str, float] = {}
    for sex, sex_share in (("female", 1 - male), ("male", male)):
        for year, year_share in (("young", 1 - age), ("old", age)):
            share = float(sex_share * year_share)
            for origin, part in zip(("african", "asian", "caucasian"), origins, strict=True):
                amounts[f"race/{origin}-{sex}-{year}"] = share * float(part)
            for m, m_share in _three("muscle", muscle):
                for w, w_share in _three("weight", weight):
                    amounts[f"body/{sex}-{year}-{m}-{w}"] = share * m_share * w_share
    return amounts


def _three(name: str, value: float) -> tuple[tuple[str, float], ...]:
    """A slider 0..1 as shares of its targets at 0, a half and 1."""
    ends = (max(0.0, 1 - 2 * value), 1 - abs(2 * value - 1), max(0.0, 2 * value - 1))
    return tuple(
        (f"{end}{name}", s) for end, s in zip(("min", "average", "max"), ends, strict=True)
    )


def _local(rng: np.random.Generator, sex: str, age: float, meshes: Meshes) -> dict[str, float]:
    """Amounts of the local features: normal about the sex's lean, tamed where faces turn odd."""
    directions: dict[tuple[str, str], dict[int, str]] = {}
    for name in meshes.targets:
        if name.startswith("local/"):
            feature, pair, sign = name.removeprefix("local/").split("|")
            directions.setdefault((feature, pair), {})[int(sign)] = name
    amounts = {}
    for (feature, pair), names in directions.items():
        spread = SPREAD * TAMED.get(feature, 1.0)
        amount = float(np.clip(rng.normal() * spread, -2.2 * spread, 2.2 * spread))
        amount += LEAN[sex].get(feature, 0.0)
        if feature == "head-age":
            # Nobody may look like a child.
            amount += 0.35 + 0.45 * age
        if pair == "single":
            amounts[names[1]] = 0.7 * abs(amount)
        elif np.sign(amount) in names:
            amounts[names[int(np.sign(amount))]] = abs(amount)
    return amounts
