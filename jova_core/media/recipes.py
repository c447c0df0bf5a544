"""Output recipes as data: which container, codecs and pixel format a written clip gets."""

import json
from dataclasses import dataclass
from pathlib import Path

from ..config import JoVAError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One entry of recipes.json; empty `audio_args` means that the container holds no sound."""

    name: str
    title: str
    suffix: str
    format: str  # ffmpeg's muxer name
    pixel_format: str
    even_size: bool  # chroma subsampling needs even height and width
    scaler: str  # swscale's interpolation; on drawn edges bicubic shows fewer halos than Lanczos
    bt709: bool  # convert to and tag as limited-range BT.709 (else the pixels stay RGB)
    video_args: tuple[str, ...]
    audio_args: tuple[str, ...]
    container_args: tuple[str, ...]


def _read_recipes() -> dict[str, dict]:
    """Parse the recipe file that ships beside this module."""
    return json.loads(Path(__file__).with_name("recipes.json").read_text(encoding="utf-8"))


def recipe_names() -> tuple[str, ...]:
    """Return the names that `load_recipe` accepts, in the file's order."""
    return tuple(_read_recipes())


def load_recipe(name: str) -> Recipe:
    """Return the recipe called `name`; an unknown name raises JoVAError with the list."""
    recipes = _read_recipes()
    if name not in recipes:
        allowed = ", ".join(recipes)
        raise JoVAError(f"There is no recipe {name!r}; choose one of: {allowed}.")
    entry = recipes[name]
    lists = {key: tuple(entry[key]) for key in ("video_args", "audio_args", "container_args")}
    return Recipe(name=name, **{**entry, **lists})
