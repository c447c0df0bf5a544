"""The mini codecs: causal video 4 x 8 x 8 with 16 channels, 16 kHz audio with 20 at 31.25 Hz."""

from .audio import AudioCodecConfig, MiniAudioCodec
from .checkpoint import load_codecs, save_codecs
from .video import MiniVideoCodec, VideoCodecConfig

__all__ = [
    "AudioCodecConfig",
    "MiniAudioCodec",
    "MiniVideoCodec",
    "VideoCodecConfig",
    "load_codecs",
    "save_codecs",
]
