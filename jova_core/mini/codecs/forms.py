"""The named forms of the mini's codecs: which sizes, which names their checkpoints ask for."""

from dataclasses import dataclass

from .audio import AudioCodecConfig
from .video import VideoCodecConfig


@dataclass(frozen=True, kw_only=True)
class CodecForm:
    """Both codecs of a mini; the crop (px) and the weight of edges that its video trains with."""

    video: VideoCodecConfig
    audio: AudioCodecConfig
    crop: int
    edge_weight: float = 0.0


FORMS: dict[str, CodecForm] = {
    "mini": CodecForm(video=VideoCodecConfig(), audio=AudioCodecConfig(), crop=48),
    # People at 192 px and natural voices: finer features near the pixels, a wider vocoder.
    "mini2": CodecForm(
        video=VideoCodecConfig(
            name="jova-mini2-video",
            hidden=112,
            fine_width=64,
            fine_blocks=2,
            pixel_width=8,
            decoder_blocks=5,
        ),
        audio=AudioCodecConfig(name="jova-mini2-audio", decoder_width=176, decoder_blocks=6),
        crop=64,
        edge_weight=1.0,
    ),
}
