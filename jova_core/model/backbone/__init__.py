"""A public video backbone → the first checkpoint of a JoVA, by the paper's recipe.

The video branch is the backbone, number for number, and the audio branch a copy of it with new
projections; picture and mask channels that the backbone lacks have zeros, so they change nothing
until they are trained. What has to be trained is the audio branch.

JoVA's paper has Wan2.1's latents, which no public dual-stream backbone has. Two recipes:

- keep: the backbone's own VAE stays. The video branch gives the backbone's numbers from the start,
  so only the audio has to be learnt. The safer one.
- wan2.1: the video branch gets new input and output projections for Wan2.1's latents (16 channels
  of the same 4×8×8 geometry), its blocks stay. Its velocity starts at 0: train the projections
  first, then everything. For those who need Wan's VAE and its licence.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...config import JoVAConfig
from ...errors import JoVAError
from ..checkpoint import expected_shapes, metadata_of
from .describe import Latents, config_of
from .layouts import layout_of
from .recipes import Backbone, Recipe, audio_recipes, fresh_projections, video_recipes
from .source import Source
from .write import Progress, write_tensors


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What was written: config and notes of the file, and how many tensors were found done."""

    config: JoVAConfig
    notes: dict[str, Any]
    found: int


def convert(
    source: Path,
    target: Path,
    *,
    latents: Latents = "keep",
    licence: str | None = None,
    progress: Progress | None = None,
) -> Converted:
    """Write the JoVA checkpoint that a backbone becomes, with memory for about one tensor.

    source: a safetensors file, the index of its shards, or their folder. licence: of these weights,
    where it is not the one of the layout. A call after one that was killed goes on with its work.
    The notes hold the licence, the layout and the SHA-256 of every source file, and of all tensors
    the SHA-256 of the lines "name sha256" in the order of the names.
    JoVAError for files that cannot be read or written, unknown layouts and wrong shapes.
    """
    read, target = Source.of(Path(source)), Path(target)
    if target.resolve() in {file.resolve() for file in read.files}:
        raise JoVAError(f"Got {target} as source and as target; give the result another name.")
    backbone = Backbone(read, layout_of(read.tensors, str(source)))
    config = config_of(backbone, latents)
    recipes = _recipes(backbone, config, latents)
    notes = {
        "licence": backbone.layout.licence if licence is None else licence,
        "source": {"layout": backbone.layout.name, "latents": latents, "sha256": read.digests()},
    }

    def metadata(digest: str) -> dict[str, str]:
        return metadata_of(config, notes | {"tensors_sha256": digest})

    found = write_tensors(target, recipes, metadata, progress)
    return Converted(config=config, notes=notes, found=found)


def _recipes(backbone: Backbone, config: JoVAConfig, latents: Latents) -> list[Recipe]:
    """Recipes of all tensors. JoVAError for tensors too many or of odd shapes."""
    video = list(video_recipes(backbone, config))
    unknown = sorted(backbone.files.keys() - {name for recipe in video for name in recipe.reads})
    if unknown:
        raise JoVAError(
            f"Got {backbone.source.path} with {len(unknown)} tensors that the layout "
            f"{backbone.layout.name} lacks, first {unknown[0]}; give one of its checkpoints."
        )
    recipes = {recipe.name: recipe for recipe in (*video, *audio_recipes(video, config))}
    if latents != "keep":
        area = config.patch[1] * config.patch[2]
        width = (config.video_in_channels * area, config.video.channels * area)
        fresh = fresh_projections("v", *width, video[0].dtype, config.dim)
        recipes |= {recipe.name: recipe for recipe in fresh}
    expected = expected_shapes(config)
    made = {name: recipe.shape for name, recipe in recipes.items()}
    odd = sorted(name for name in expected | made if expected.get(name) != made.get(name))
    if odd:
        raise JoVAError(
            f"Got {backbone.source.path}, from which {odd[0]} becomes {made.get(odd[0])}; expected "
            f"{expected.get(odd[0])}; give a whole checkpoint of {backbone.layout.name}."
        )
    return list(recipes.values())
