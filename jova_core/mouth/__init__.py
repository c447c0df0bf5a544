"""Mouth-area supervision: frames to lip landmarks, landmarks to latent masks."""

from .faces import MouthTracks, detect_mouths
from .landmarks import LipDetector, LipTrack, detect_lips, find_landmarker
from .masks import box_iou, latent_mask

__all__ = [
    "LipDetector",
    "LipTrack",
    "MouthTracks",
    "box_iou",
    "detect_lips",
    "detect_mouths",
    "find_landmarker",
    "latent_mask",
]
