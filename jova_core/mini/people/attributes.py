"""What a person looks like in words, drawn independently, and the pairs that are held out."""

from dataclasses import dataclass

import numpy as np

from ...errors import JoVAError
from .caption import (
    AGE_GROUPS,
    BACKGROUNDS,
    BEARDS,
    CHOICES,
    DRAWN_AGES,
    EXPRESSIONS,
    HAIR_COLOURS,
    HAIR_STYLES,
    SEXES,
    SHIRTS,
    SKINS,
    caption_of,
)

# How often each beard is drawn for a man, and glasses for anybody; the rest is uniform.
BEARD_SHARES = (0.4, 0.2, 0.2, 0.2)
GLASSES_SHARE = 0.3
# At least a tenth of hair colour × background is never trained, as in the first mini.
HELD_OUT_LOOKS = 4
SPLIT_STREAM = 0x9E0B1E

Looks = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody: what the caption names, and the seed of all that it does not name."""

    seed: int
    sex: str
    age: int  # years, 25 to 75
    skin: str
    hair_style: str
    hair_colour: str  # the caption of somebody bald leaves it out; brows and beard show it
    beard: str
    glasses: bool
    expression: str
    shirt: str
    background: str
    light: int = 0  # seed of the light; 0 takes the person's own

    def __post_init__(self) -> None:
        """JoVAError for a value that is not in the vocabulary."""
        styles = HAIR_STYLES.get(self.sex, ())
        allowed = {**CHOICES, "hair_style": styles, "beard": BEARDS if self.man else BEARDS[:1]}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise JoVAError(
                    f"Got {name} {getattr(self, name)!r} for a {self.sex}; "
                    f"expected one of: {', '.join(map(str, values))}."
                )
        if not 25 <= self.age <= 75:
            raise JoVAError(f"Got an age of {self.age} years; expected 25 to 75.")

    @property
    def man(self) -> bool:
        """Whether the person is a man."""
        return self.sex == "man"

    @property
    def age_group(self) -> str:
        """The age as the caption says it."""
        return next(name for name, (low, high) in AGE_GROUPS.items() if low <= self.age <= high)

    @property
    def attributes(self) -> dict[str, str | bool]:
        """All that the caption names."""
        named = {name: getattr(self, name) for name in CHOICES}
        named |= {"age": self.age_group, "hair_style": self.hair_style, "beard": self.beard}
        if self.hair_style == "bald":
            del named["hair_colour"]
        return named

    @property
    def caption(self) -> str:
        """The video caption."""
        return caption_of(self.attributes)


def held_out_looks(seed: int) -> Looks:
    """Pairs (hair colour, background) for no training clip; each value stays in other pairs."""
    rng = np.random.default_rng((seed, SPLIT_STREAM))
    hairs = rng.permutation(len(HAIR_COLOURS))[:HELD_OUT_LOOKS]
    backgrounds = rng.permutation(len(BACKGROUNDS))[:HELD_OUT_LOOKS]
    pairs = zip(hairs, backgrounds, strict=True)
    return tuple(sorted((HAIR_COLOURS[h], BACKGROUNDS[b]) for h, b in pairs))


def draw_person(
    seed: int | np.random.Generator, /, *, avoid: Looks = (), only: Looks = (), **given: str | int
) -> Person:
    """Draws an adult; every attribute independently (style and beard among those of the sex).

    `avoid` and `only` are pairs (hair colour, background), see `held_out_looks`: training
    avoids them, held-out clips take only them. `given` fixes fields of `Person`. JoVAError for
    a value that is not in the vocabulary.
    """
    rng = np.random.default_rng(seed)
    unknown = set(given) - set(Person.__dataclass_fields__)
    if unknown:
        raise JoVAError(
            f"Got {', '.join(sorted(unknown))}; expected fields of a person: "
            f"{', '.join(Person.__dataclass_fields__)}."
        )

    def pick(values: tuple) -> object:
        return values[rng.integers(len(values))]

    # Every field is drawn, given or not, so that fixing one leaves the others as they were.
    looks = only or tuple((h, b) for h in HAIR_COLOURS for b in BACKGROUNDS if (h, b) not in avoid)
    hair_colour, background = pick(looks)
    low, high = pick(tuple(DRAWN_AGES.values()))
    sex = given.get("sex", pick(SEXES))
    styles = HAIR_STYLES.get(str(sex), ("",))
    drawn = {
        "seed": int(rng.integers(2**31)),
        "sex": sex,
        "age": int(rng.integers(low, high + 1)),
        "skin": pick(SKINS),
        "hair_style": styles[int(rng.random() * len(styles))],
        "hair_colour": hair_colour,
        "beard": str(rng.choice(BEARDS, p=BEARD_SHARES)) if sex == "man" else BEARDS[0],
        "glasses": bool(rng.random() < GLASSES_SHARE),
        "expression": pick(EXPRESSIONS),
        "shirt": pick(SHIRTS),
        "background": background,
    }
    return Person(**{**drawn, **given})
