"""Time as a type: seconds, frames, video latents, audio samples and audio latents, exactly.

All durations are computed here, in fractions; floats appear only in positions for RoPE.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from .config import JoVAConfig
from .errors import JoVAError


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Rates of one checkpoint, per second: pictures, samples, audio latents; its longest clip."""

    fps: Fraction
    sample_rate: int
    audio_rate: Fraction
    temporal_ratio: int = 4
    max_seconds: float = math.inf

    @staticmethod
    def of(config: JoVAConfig) -> "Timeline":
        """The timeline of a checkpoint."""
        return Timeline(
            fps=config.video.fps,
            sample_rate=config.audio.sample_rate,
            audio_rate=config.audio.latent_rate,
            temporal_ratio=config.video.temporal_ratio,
            max_seconds=config.max_seconds,
        )

    def is_legal(self, frames: int) -> bool:
        """The first latent holds one frame and each later one `temporal_ratio`."""
        return frames >= 1 and (frames - 1) % self.temporal_ratio == 0

    def legal_frames(self, seconds: Fraction | float) -> int:
        """The legal frame count nearest to `seconds`; of two equally near ones the longer.

        Raises JoVAError if `seconds` is not a finite number above 0.
        """
        if not math.isfinite(seconds) or seconds <= 0:
            raise JoVAError(f"Got a clip length of {seconds} s; give a length above 0 s.")
        steps = (Fraction(seconds) * self.fps - 1) / self.temporal_ratio
        return max(0, math.floor(steps + Fraction(1, 2))) * self.temporal_ratio + 1

    def whole_frames(self, frames: int) -> int:
        """The largest legal count of at most `frames` >= 1; frames beyond it fill no latent."""
        return self.frames((frames - 1) // self.temporal_ratio + 1)

    def covering_frames(self, seconds: Fraction | float) -> int:
        """The shortest legal frame count that covers this length of audio, but for ¼ frame."""
        frames = math.ceil(Fraction(seconds) * self.fps - Fraction(1, 4))
        return self.frames(self.latent_of_frame(max(frames, 1) - 1) + 1)

    def seconds(self, frames: int) -> Fraction:
        """The length of `frames` pictures."""
        return Fraction(frames) / self.fps

    def video_latents(self, frames: int) -> int:
        """Latent frames T of a legal frame count. Raises JoVAError for any other."""
        if not self.is_legal(frames):
            near = self.legal_frames(self.seconds(max(frames, 1)))
            step = self.temporal_ratio
            raise JoVAError(
                f"Got {frames} frames; expected {step}·n + 1, to fill whole latents: "
                f"the nearest is {near}."
            )
        return (frames - 1) // self.temporal_ratio + 1

    def frames(self, video_latents: int) -> int:
        """Frames F held by `video_latents` >= 1 latent frames."""
        return (video_latents - 1) * self.temporal_ratio + 1

    def latent_of_frame(self, frame: int) -> int:
        """The latent frame with picture `frame` (both count from 0)."""
        return -(-frame // self.temporal_ratio)

    def audio_latents(self, frames: int) -> int:
        """Audio latents L that cover `frames` pictures: the last may reach past the end."""
        return math.ceil(self.seconds(frames) * self.audio_rate)

    def audio_samples(self, frames: int) -> int:
        """Samples that last as long as `frames` pictures, to the nearest sample."""
        return math.floor(self.seconds(frames) * self.sample_rate + Fraction(1, 2))

    def video_positions(self, video_latents: int) -> Tensor:
        """RoPE time positions `[T]`: latent j sits at j, as pretrained backbones expect."""
        return torch.arange(video_latents, dtype=torch.float32)

    def audio_positions(self, audio_latents: int, per_token: int = 1) -> Tensor:
        """RoPE time positions `[L / per_token]` on the video's axis.

        The middle (n + ½)/rate of a token's interval goes to p = t·fps/4 + ¼ (for a temporal ratio
        of 4), the exact middle of the same moment in video latents j >= 1. Latent 0 covers a
        single frame, its middle would be 0.375; it stays at 0.
        """
        tokens = audio_latents // per_token
        scale = self.fps * per_token / self.audio_rate / self.temporal_ratio
        offset = scale / 2 + Fraction(1, 2) - Fraction(1, self.temporal_ratio)
        positions = torch.arange(tokens, dtype=torch.float64) * float(scale) + float(offset)
        return positions.to(torch.float32)
