"""Model files that a loader's combo names."""

from pathlib import Path

import folder_paths

BUNDLED = "jova-mini (bundled)"
NONE = "none"
FROM_FILE = "from the file"  # the preset of a checkpoint that carries its config


def model_files(folder: str) -> list[str]:
    """What a combo offers: the bundled one, then the files of one of ComfyUI's model folders."""
    return [BUNDLED, *folder_paths.get_filename_list(folder)]


def face_model() -> Path | None:
    """MediaPipe's face model in models/mediapipe, where it is not named in the environment."""
    path = Path(folder_paths.models_dir) / "mediapipe" / "face_landmarker.task"
    return path if path.is_file() else None


def chosen_path(folder: str, name: str) -> Path | None:
    """Path of a file in one of ComfyUI's model folders; None for what ships with the pack."""
    return None if name == BUNDLED else Path(folder_paths.get_full_path_or_raise(folder, name))
