"""A drawn character: who it is, how it moves, and its picture for one frame."""

import functools
from dataclasses import dataclass

import numpy as np

from . import hair as hair_styles
from . import shapes
from .shapes import Colour, Pose, mix

# Pixels of the drawing; everything in this file is in these pixels.
SIZE = 96
SUPERSAMPLE = 3

SKIN_COLOURS: dict[str, Colour] = {
    "pale": (253, 228, 211),
    "light": (236, 188, 150),
    "tan": (188, 130, 86),
    "dark": (104, 66, 46),
}
HAIR_COLOURS: dict[str, Colour] = {
    "black": (36, 32, 38),
    "brown": (108, 66, 36),
    "blond": (240, 212, 132),
    "red": (200, 64, 34),
    "purple": (132, 66, 182),
    "green": (52, 148, 70),
}
SHIRT_COLOURS: dict[str, Colour] = {
    "red": (208, 42, 48),
    "blue": (44, 86, 206),
    "green": (44, 150, 82),
    "black": (38, 38, 44),
    "white": (242, 242, 244),
}
BACKGROUND_COLOURS: dict[str, Colour] = {
    "white": (248, 248, 248),
    "gray": (140, 142, 148),
    "yellow": (252, 212, 48),
    "blue": (104, 164, 236),
    "green": (130, 206, 126),
    "pink": (248, 162, 192),
}
LIP_COLOURS: dict[str, Colour] = {
    "pale": (206, 84, 92),
    "light": (190, 70, 76),
    "tan": (146, 48, 54),
    "dark": (190, 92, 94),
}
IRIS_COLOURS: tuple[Colour, ...] = ((92, 58, 34), (60, 104, 168), (62, 122, 82), (84, 92, 104))
HAT_COLOUR: Colour = (244, 128, 24)  # of no hair, shirt or background
HAIR_STYLES = ("short", "parted", "bob", "long", "curly", "spiky")


@dataclass(frozen=True, kw_only=True)
class Character:
    """How one character looks; lengths in pixels of a 96 × 96 picture."""

    skin: str
    hair: str
    shirt: str
    background: str
    hair_style: str
    iris: Colour
    centre_x: float
    centre_y: float
    scale: float
    face_width: float
    mouth_width: float
    brow_weight: float
    collar: int
    hat: bool = False


@dataclass(frozen=True, kw_only=True)
class FrameState:
    """What moves: head position (px), tilt (radians), eyelids and brows, and the mouth.

    blink 0..1; brow in px upwards; gaze in px; the mouth's fields as in `MouthShape`.
    """

    shift_x: float
    shift_y: float
    tilt: float
    blink: float
    brow: float
    gaze: float
    opening: float
    width: float
    teeth: float
    tongue: float
    bite: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One frame: uint8 [96, 96, 3], inner lips (opening, width) px, outer lips box px."""

    pixels: np.ndarray
    lips: tuple[float, float]
    mouth_box: tuple[float, float, float, float]


def draw_character(
    rng: np.random.Generator, skin: str, hair: str, shirt: str, background: str
) -> Character:
    """A character of the captioned colours; all that captions do not say is random."""
    return Character(
        skin=skin,
        hair=hair,
        shirt=shirt,
        background=background,
        hair_style=HAIR_STYLES[rng.integers(len(HAIR_STYLES))],
        iris=IRIS_COLOURS[rng.integers(len(IRIS_COLOURS))],
        centre_x=48 + rng.uniform(-2.5, 2.5),
        centre_y=47 + rng.uniform(-1.5, 1.5),
        scale=rng.uniform(0.94, 1.03),
        face_width=rng.uniform(0.94, 1.05),
        mouth_width=rng.uniform(26.0, 28.0),
        brow_weight=rng.uniform(1.0, 1.6),
        collar=int(rng.integers(3)),
    )


@functools.lru_cache(maxsize=8)
def light_map() -> np.ndarray:
    """The soft light that lies over every picture: float32 [96, 96, 1], brightest above."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / (SIZE - 1) - 0.5
    light = 1.0 - 0.10 * (x**2 + y**2) * 2 - 0.05 * (y + 0.5)
    return light.astype(np.float32)[..., None]


def render(character: Character, state: FrameState) -> Picture:
    """Draws one frame, anti-aliased by drawing larger and averaging."""
    from PIL import Image, ImageDraw

    big = SIZE * SUPERSAMPLE
    image = Image.new("RGB", (big, big), BACKGROUND_COLOURS[character.background])
    draw = ImageDraw.Draw(image)
    head = Pose(
        x=character.centre_x + state.shift_x,
        y=character.centre_y + state.shift_y,
        tilt=state.tilt,
        scale=character.scale,
        zoom=SUPERSAMPLE,
    )
    body = Pose(
        x=character.centre_x + 0.35 * state.shift_x,
        y=character.centre_y + 0.2 * state.shift_y,
        tilt=0.0,
        scale=character.scale,
        zoom=SUPERSAMPLE,
    )
    skin, hair = SKIN_COLOURS[character.skin], HAIR_COLOURS[character.hair]
    jaw = 0.30 * shapes.MAX_OPENING * state.opening
    hair_styles.draw_back_hair(draw, head, character.hair_style, character.face_width, hair)
    shapes.draw_body(draw, body, skin, SHIRT_COLOURS[character.shirt], character.collar)
    shapes.draw_head(draw, head, character.face_width, jaw, skin)
    shapes.draw_eyes(draw, head, skin, character.iris, blink=state.blink, gaze=state.gaze)
    hair_styles.draw_front_hair(draw, head, character.hair_style, character.face_width, hair)
    if character.hat:
        hair_styles.draw_hat(draw, head, character.face_width, HAT_COLOUR)
    brow = mix(hair, (30, 20, 16), 0.45)
    shapes.draw_brows(draw, head, brow, character.brow_weight, state.brow)
    mouth = shapes.mouth_outline(
        character.mouth_width,
        opening=state.opening,
        width=state.width,
        teeth=state.teeth,
        tongue=state.tongue,
        bite=state.bite,
    )
    shapes.draw_mouth(draw, head, mouth, LIP_COLOURS[character.skin])
    pixels = np.asarray(image.reduce(SUPERSAMPLE), dtype=np.float32) * light_map()
    x0, y0, x1, y1 = head.box(mouth.outer)
    return Picture(
        pixels=(pixels + 0.5).astype(np.uint8),
        lips=(mouth.opening * head.scale, mouth.inner_width * head.scale),
        mouth_box=(max(x0, 0), max(y0, 0), min(x1, SIZE), min(y1, SIZE)),
    )
