"""CONDITIONING as a file with a content hash, and back: a workflow that needs no text encoder."""

from pathlib import Path
from typing import Any

import folder_paths

from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
from ...jova_core.saved import SavedConditioning, load_conditioning, save_conditioning
from .conditions import needs_pooled, read_conditions, text_keys
from .model import model_config

FOLDER = "conditioning"
_SHOWN = 16  # digits of the hash in a file's name


def saved_files() -> list[str]:
    """What the loader offers: files in input/conditioning, and those that were just saved."""
    found = []
    for mark, base in (
        ("", folder_paths.get_input_directory()),
        (" [output]", folder_paths.get_output_directory()),
    ):
        paths = sorted((Path(base) / FOLDER).glob("**/*.safetensors"))
        found += [f"{path.relative_to(base).as_posix()}{mark}" for path in paths]
    return found


def save(model: Any, conditioning: Any, prefix: str, text: str) -> Path:
    """Write CONDITIONING under its prefix and content hash; equal content has one file.

    Raises JoVAError for several entries, a picture, and text that the model does not read.
    """
    config = model_config(model)
    if len(conditioning) != 1:
        raise JoVAError(
            f"The conditioning has {len(conditioning)} entries; save the one of a single prompt."
        )
    ((features, values),) = conditioning
    if "jova_image" in values:
        raise JoVAError(
            "The conditioning carries a picture, which is not saved; connect JoVA Save "
            "Conditioning before JoVA Reference Image."
        )
    read = read_conditions(config, {**values, "cross_attn": features})
    saved = SavedConditioning(
        names=tuple(spec.name for spec in config.text),
        text=tuple(read[key] for key in text_keys(config)),
        pooled=read.get("jova_pooled"),
        guidance=values.get("guidance"),
        prompt=text,
    )
    base = folder_paths.get_output_directory()
    folder, name, *_ = folder_paths.get_save_image_path(f"{FOLDER}/{prefix}", base)
    path = Path(folder) / f"{name}_{saved.digest()[:_SHOWN]}.safetensors"
    if not path.exists():
        save_conditioning(path, saved)
    return path


def chosen(name: str) -> Path:
    """Path of a file that the loader offers. Raises JoVAError where it is not there."""
    if not folder_paths.exists_annotated_filepath(name):
        raise JoVAError(
            f"The file {name} is missing; put it into ComfyUI's folder input/{FOLDER}, or save the "
            "conditioning with JoVA Save Conditioning."
        )
    return Path(folder_paths.get_annotated_filepath(name))


def load(model: Any, name: str) -> tuple[Any, str]:
    """CONDITIONING of a file and its prompt. Raises JoVAError for text of another model."""
    config, saved = model_config(model), load_conditioning(chosen(name))
    saved.conditioning(config, name)
    return _conditioning(config, saved), saved.prompt


def _conditioning(config: JoVAConfig, saved: SavedConditioning) -> Any:
    features, *others = saved.text
    values: dict[str, Any] = dict(zip(text_keys(config)[1:], others, strict=True))
    values["pooled_output"] = saved.pooled if needs_pooled(config) else None
    if saved.guidance is not None:
        values["guidance"] = saved.guidance
    return [[features, values]]
