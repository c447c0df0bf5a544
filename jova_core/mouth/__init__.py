"""Mouth-area supervision: frames to lip landmarks, landmarks to latent masks."""

from .landmarks import LipDetector, LipTrack, detect_lips, find_landmarker
from .masks import box_iou, latent_mask

__all__ = ["LipDetector", "LipTrack", "box_iou", "detect_lips", "find_landmarker", "latent_mask"]
