"""Reads and writes pictures, sound and video by ffmpeg, Pillow and libsndfile."""

from .fit import MAX_SCALE
from .frames import FrameStream
from .picture import PICTURE_SUFFIXES
from .probe import AudioInfo, MediaInfo, VideoInfo, probe
from .read import fit_image, read_audio, read_audio_native, read_image, read_video
from .recipes import Recipe, load_recipe, recipe_names
from .resample import resample
from .write import WrittenClip, write_clip

__all__ = [
    "MAX_SCALE",
    "PICTURE_SUFFIXES",
    "AudioInfo",
    "FrameStream",
    "MediaInfo",
    "Recipe",
    "VideoInfo",
    "WrittenClip",
    "fit_image",
    "load_recipe",
    "probe",
    "read_audio",
    "read_audio_native",
    "read_image",
    "read_video",
    "recipe_names",
    "resample",
    "write_clip",
]
