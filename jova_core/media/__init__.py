"""Reads and writes pictures, sound and video by ffmpeg, Pillow and libsndfile."""

from .audio import Audio, load_audio, read_audio, read_audio_native
from .faults import audio_fault
from .fit import MAX_SCALE, check_channels
from .frames import FrameStream
from .image import fit_image, read_image
from .picture import PICTURE_SUFFIXES
from .probe import AudioInfo, MediaInfo, VideoInfo, probe
from .recipes import Recipe, load_recipe, recipe_names
from .resample import resample
from .video import read_video, stream_video
from .write import WrittenClip, write_clip

__all__ = [
    "MAX_SCALE",
    "PICTURE_SUFFIXES",
    "Audio",
    "AudioInfo",
    "FrameStream",
    "MediaInfo",
    "Recipe",
    "VideoInfo",
    "WrittenClip",
    "audio_fault",
    "check_channels",
    "fit_image",
    "load_audio",
    "load_recipe",
    "probe",
    "read_audio",
    "read_audio_native",
    "read_image",
    "read_video",
    "recipe_names",
    "resample",
    "stream_video",
    "write_clip",
]
