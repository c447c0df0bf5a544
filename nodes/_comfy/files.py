"""The model files in a loader's combo."""

from pathlib import Path
from typing import Any

import folder_paths

from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
from ...jova_core.model.checkpoint import read_config

BUNDLED = "jova-mini (bundled)"
NONE = "none"
FROM_FILE = "from the file"  # no preset: the checkpoint carries its config


def model_files(folder: str) -> list[str]:
    """Options of a combo: the bundled file, then those in one of ComfyUI's model folders."""
    return [BUNDLED, *folder_paths.get_filename_list(folder)]


def describe_file(path: Path, preset: str = FROM_FILE) -> tuple[JoVAConfig, dict[str, Any]]:
    """Config and notes of a checkpoint. Raises JoVAError that names the file without its folder.

    `preset` is the loader's choice; see `read_config`.
    """
    try:
        return read_config(path, preset=None if preset == FROM_FILE else preset)
    except JoVAError as error:
        raise JoVAError(str(error).replace(str(path), path.name)) from error


def face_model() -> Path | None:
    """MediaPipe's face model in models/mediapipe; None leaves it to the environment variable."""
    path = Path(folder_paths.models_dir) / "mediapipe" / "face_landmarker.task"
    return path if path.is_file() else None


def chosen_path(folder: str, name: str) -> Path | None:
    """Path of a file in one of ComfyUI's model folders; None for the bundled one."""
    return None if name == BUNDLED else Path(folder_paths.get_full_path_or_raise(folder, name))
