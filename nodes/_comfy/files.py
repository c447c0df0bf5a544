"""The model files in a loader's combo."""

from pathlib import Path

import folder_paths

BUNDLED = "jova-mini (bundled)"
FROM_FILE = "from the file"  # no preset: the checkpoint carries its config


def model_files(folder: str) -> list[str]:
    """Options of a combo: the bundled file, then those in one of ComfyUI's model folders."""
    return [BUNDLED, *folder_paths.get_filename_list(folder)]


def face_model() -> Path | None:
    """MediaPipe's face model in models/mediapipe; None leaves it to the environment variable."""
    path = Path(folder_paths.models_dir) / "mediapipe" / "face_landmarker.task"
    return path if path.is_file() else None


def chosen_path(folder: str, name: str) -> Path | None:
    """Path of a file in one of ComfyUI's model folders; None for the bundled one."""
    return None if name == BUNDLED else Path(folder_paths.get_full_path_or_raise(folder, name))
