"""A public video backbone as the first checkpoint of a JoVA, in ComfyUI's folders."""

from pathlib import Path
from typing import Any, get_args

import comfy.utils
import folder_paths

from ...jova_core.errors import JoVAError
from ...jova_core.model.backbone import Latents, convert
from .files import chosen_path

FOLDER = "diffusion_models"
LATENTS = get_args(Latents)


def backbone_files() -> list[str]:
    """Files that may hold a backbone."""
    return folder_paths.get_filename_list(FOLDER)


def _folder() -> Path:
    """Where new models go: core's folder of that name rather than the older `unet` beside it."""
    paths = [Path(path) for path in folder_paths.get_folder_paths(FOLDER)]
    return next((path for path in paths if path.name == FOLDER), paths[0])


def build(backbone: str, latents: str, name: str) -> tuple[str, str]:
    """The name of the new file, as Load JoVA Model offers it, and what is to be known of it.

    The bar can be cancelled; the next run goes on. Raises JoVAError for names that leave the folder
    and for files that are no backbone.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise JoVAError(f"Got the name {name!r}; give a plain file name without folders.")
    file = name if name.endswith(".safetensors") else f"{name}.safetensors"
    target = _folder() / file
    bar: Any = None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        bar = bar or comfy.utils.ProgressBar(total)
        bar.update_absolute(done, total)

    made = convert(chosen_path(FOLDER, backbone), target, latents=latents, progress=progress)
    config, licence = made.config, made.notes["licence"]
    texts = " and ".join(spec.name for spec in config.text)
    pooled = f" with {config.pooled_encoder}" if config.pooled_encoder else ""
    return file, (
        f"{file} in models/{FOLDER}\nLicence of the weights: {licence}\nText: {texts}{pooled}\n"
        f"Video codec: {config.video.codec}\nThe audio branch is untrained."
    )
