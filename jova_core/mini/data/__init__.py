"""Drawn characters that speak: the data that JoVA-mini is trained on."""

from .dataset import ClipInfo, Dataset, WordTime, load_clip, load_dataset, make_mini

__all__ = ["ClipInfo", "Dataset", "WordTime", "load_clip", "load_dataset", "make_mini"]
