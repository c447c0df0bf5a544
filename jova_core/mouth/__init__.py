"""Mouth-area supervision: frames to lip landmarks, landmarks to masks."""

from .faces import MouthTracks, detect_mouths, track_mouths
from .landmarks import (
    LipDetector,
    LipTrack,
    Looks,
    detect_lips,
    find_landmarker,
    lip_values,
    track_first_face,
)
from .masks import latent_mask
from .regions import MouthRegions, draw_boxes, mouth_regions

__all__ = [
    "LipDetector",
    "LipTrack",
    "Looks",
    "MouthRegions",
    "MouthTracks",
    "detect_lips",
    "detect_mouths",
    "draw_boxes",
    "find_landmarker",
    "latent_mask",
    "lip_values",
    "mouth_regions",
    "track_first_face",
    "track_mouths",
]
