"""Output recipes as data: which container, codecs and pixel format a written clip gets."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from ..errors import JoVAError

_FILE = Path(__file__).with_name("recipes.json")
_KINDS = {str: "text", bool: "true or false", int: "a whole number", tuple[str, ...]: "texts"}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One entry of recipes.json; empty `audio_args` means that the container holds no sound."""

    name: str
    title: str  # for humans
    suffix: str
    format: str  # ffmpeg's muxer name
    browser: bool  # Chromium plays the file in <video>, or shows it in <img>, as it is
    drag: bool  # ComfyUI's page reads the workflow back from a file dropped on its canvas
    max_fps: int  # a GIF frame under 0.02 s is shown for 0.1 s by browsers
    min_side: int  # pixels; x265 refuses less than 16
    pixel_format: str  # what the encoder gets, or `filters` before it
    even_size: bool  # chroma subsampling needs even height and width
    scaler: str  # swscale's interpolation; on drawn edges bicubic shows fewer halos than Lanczos
    bt709: bool  # convert to and tag as limited-range BT.709 (else the pixels stay RGB)
    filters: str  # further ffmpeg filters before the encoder, or ""
    video_args: tuple[str, ...]
    audio_args: tuple[str, ...]
    container_args: tuple[str, ...]


def recipe_names() -> tuple[str, ...]:
    """Return the names that `load_recipe` accepts, in the file's order."""
    return tuple(_read_recipes())


def load_recipe(name: str) -> Recipe:
    """Return the recipe called `name`; an unknown name raises JoVAError with the list."""
    recipes = _read_recipes()
    if name not in recipes:
        allowed = ", ".join(recipes)
        raise JoVAError(f"There is no recipe {name!r}; choose one of: {allowed}.")
    return recipes[name]


def _read_recipes() -> dict[str, Recipe]:
    """Parse and check the recipe file that ships beside this module."""
    try:
        entries = json.loads(_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JoVAError(f"{_FILE} cannot be read ({error}); install the pack again.") from error
    return {name: _recipe(name, entry) for name, entry in entries.items()}


def _recipe(name: str, entry: dict) -> Recipe:
    """Return `entry` as a Recipe; JoVAError names a field that is absent, unknown or wrong."""
    wanted = {field.name: field.type for field in fields(Recipe) if field.name != "name"}
    for key in sorted(wanted.keys() ^ entry.keys()):
        came = "lacks the field" if key in wanted else "has the unknown field"
        raise JoVAError(f"In {_FILE} the recipe {name} {came} {key}; mend it.")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}
    for key, value in values.items():
        texts = isinstance(value, tuple) and all(isinstance(text, str) for text in value)
        if not (texts if wanted[key] == tuple[str, ...] else type(value) is wanted[key]):
            raise JoVAError(
                f"In {_FILE} the recipe {name} has {key} = {entry[key]!r}; "
                f"it must be {_KINDS[wanted[key]]}: mend it."
            )
    return Recipe(name=name, **values)
