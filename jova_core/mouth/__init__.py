"""Mouth-area supervision: frames to lip landmarks, landmarks to masks."""

from .faces import MouthTracks, detect_mouths
from .landmarks import LipDetector, LipTrack, detect_lips, find_landmarker
from .masks import latent_mask
from .regions import MouthRegions, draw_boxes, mouth_regions

__all__ = [
    "LipDetector",
    "LipTrack",
    "MouthRegions",
    "MouthTracks",
    "detect_lips",
    "detect_mouths",
    "draw_boxes",
    "find_landmarker",
    "latent_mask",
    "mouth_regions",
]
