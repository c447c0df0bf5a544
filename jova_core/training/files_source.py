"""A user's own clips of a manifest, read at a model's rates and size."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import torch
from einops import reduce
from torch import Tensor

from ..config import JoVAConfig
from ..errors import JoVAError
from ..media import (
    PICTURE_SUFFIXES,
    MediaInfo,
    VideoInfo,
    audio_fault,
    fit_image,
    load_audio,
    probe,
    read_image,
    read_video,
    resample,
)
from ..mouth.masks import by_latent
from ..prompt import Prompt
from ..timeline import Timeline
from .manifest import Entry
from .source import RejectedError, SourceClip


@dataclass(frozen=True, kw_only=True)
class EncodeRules:
    """Rules for accepting clips. All values are ours."""

    min_seconds: float = 1.0
    max_seconds: float = 4.0  # of a longer clip only the beginning is used
    min_fps_share: float = 0.5  # of the model's rate
    silence: float = 1e-3  # RMS below -60 dBFS

    def __post_init__(self) -> None:
        if not 0 < self.min_seconds <= self.max_seconds:
            raise JoVAError(
                f"Got clip lengths of {self.min_seconds:g} to {self.max_seconds:g} s; give a "
                "minimum above 0 and a maximum not below it."
            )


@dataclass(frozen=True)
class FileSource:
    """Clips of a manifest."""

    manifest: Sequence[Entry]
    rules: EncodeRules = field(default_factory=EncodeRules)

    def entries(self) -> Sequence[Entry]:
        """The clips, in order."""
        return self.manifest

    def key(self, entry: Entry) -> str:
        """Changes with the entry, its files and the rules."""
        text = f"{entry.key()} {self.rules}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def name(self, entry: Entry) -> str:
        """The path of its video."""
        return str(entry.video)

    def needs_mouths(self) -> bool:
        """Whether any entry has no mouth mask."""
        return any(entry.mouth is None for entry in self.manifest)

    def read(self, entry: Entry, config: JoVAConfig) -> SourceClip:
        """Read, cut and scale one clip; see `ClipSource`."""
        if entry.problem:
            raise RejectedError(entry.problem)
        if not (entry.video_caption or entry.audio_caption or entry.transcript):
            raise RejectedError("it has no caption")
        timeline, info = Timeline.of(config), probe(entry.video)
        notes = list(info.notes)
        frames = self._frames(entry, info.video, config, notes)
        audio = self._audio(entry, info, timeline, len(frames), notes)
        return SourceClip(
            frames=frames,
            audio=audio,
            prompt=Prompt(
                video_caption=entry.video_caption,
                audio_caption=entry.audio_caption,
                transcript=entry.transcript,
            ),
            mouth=None if entry.mouth is None else mask_of_file(entry.mouth, config, len(frames)),
            notes=tuple(notes),
        )

    def _frames(
        self, entry: Entry, info: VideoInfo | None, config: JoVAConfig, notes: list[str]
    ) -> Tensor:
        timeline, rules = Timeline.of(config), self.rules
        if info is None:
            raise RejectedError("it has no pictures")
        if info.fps < Fraction(rules.min_fps_share) * timeline.fps:
            rate = f"{float(info.fps):.3g} frames/s"
            raise RejectedError(f"its {rate} are too few for the model's {float(timeline.fps):g}")
        frames = read_video(
            entry.video,
            fps=timeline.fps,
            max_frames=timeline.legal_frames(rules.max_seconds),
            height=config.video.height,
            width=config.video.width,
        )
        frames = frames[: timeline.whole_frames(len(frames))]
        seconds, used = float(info.seconds), float(timeline.seconds(len(frames)))
        if used < rules.min_seconds:
            raise RejectedError(f"it lasts {seconds:.2f} s, less than {rules.min_seconds:g} s")
        if seconds > used + 1:
            notes.append(f"the first {used:.2f} s of {seconds:.2f} s are used")
        return frames

    def _audio(
        self, entry: Entry, info: MediaInfo, timeline: Timeline, frames: int, notes: list[str]
    ) -> Tensor:
        if entry.audio is None and info.audio is None:
            raise RejectedError("it has no sound")
        # No more than the clip lasts: the rest of a long recording would only fill memory.
        wanted = timeline.seconds(frames) + 1
        loaded = load_audio(entry.audio or entry.video, max_seconds=wanted)
        notes += [f"of its sound: {remark}" for remark in loaded.notes]
        audio = resample(loaded.mono, loaded.sample_rate, timeline.sample_rate)
        samples = timeline.audio_samples(frames)
        audio = torch.nn.functional.pad(audio[:samples], (0, max(0, samples - len(audio))))
        fault = audio_fault(audio, silence=self.rules.silence)
        if fault is not None:
            raise RejectedError(f"its sound is {fault.words}")
        return audio


def mask_of_file(path: Path, config: JoVAConfig, frames: int) -> Tensor:
    """A picture or video, white on the mouth → bool `[T, h, w]`, the latents it touches."""
    height, width = config.video.height, config.video.width
    if path.suffix.lower() in PICTURE_SUFFIXES:
        video = fit_image(read_image(path), height, width).expand(frames, -1, -1, -1)
    else:
        rate = config.video.fps
        video = read_video(path, fps=rate, max_frames=frames, height=height, width=width)
        video = torch.cat([video, video[-1:].expand(frames - len(video), -1, -1, -1)])
    white, side = video.float().mean(dim=-1) > 127, config.video.spatial_ratio
    cells = reduce(white.float(), "f (h y) (w x) -> f h w", "max", y=side, x=side)
    return by_latent(cells.bool(), config.video.temporal_ratio)
