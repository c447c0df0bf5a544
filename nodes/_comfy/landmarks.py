"""Core's FACE_LANDMARKS as faces that were looked at: no mediapipe and no model file is needed."""

from typing import Any

import numpy as np
from torch import Tensor

from ...jova_core.errors import JoVAError
from ...jova_core.mouth import Looks, lip_values

__all__ = ["looks_of"]


def looks_of(face_landmarks: dict[str, Any], images: Tensor) -> Looks:
    """The faces of each frame of IMAGE `[F, H, W, C]`, as core's node found them.

    Raises JoVAError for landmarks of other pictures.
    """
    frames, size = face_landmarks["frames"], tuple(face_landmarks["image_size"])
    if len(frames) != len(images) or size != tuple(images.shape[1:3]):
        (height, width), (count, *pixels) = size, images.shape[:3]
        raise JoVAError(
            f"Got face landmarks of {len(frames)} frames of {width} x {height} px; expected those "
            f"of the {count} frames of {pixels[1]} x {pixels[0]} px: connect the same images to "
            "both nodes."
        )
    return Looks(rows={index: _rows(faces) for index, faces in enumerate(frames)})


def _rows(faces: list[dict[str, Any]]) -> np.ndarray:
    return np.array([lip_values(face["landmarks_xy"]) for face in faces]).reshape(-1, 7)
