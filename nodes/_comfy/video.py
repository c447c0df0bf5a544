"""What the video nodes do: plan a length, decode, report on sync, hand out samples."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ...jova_core.config import JoVAConfig, JoVAError
from ...jova_core.pipeline import clip_frames
from ...jova_core.quality.plot import plot_sync
from ...jova_core.quality.report import measure_sync, sync_table
from ...jova_core.samples import load_sample
from ...jova_core.timeline import Timeline
from .files import face_model
from .latents import check_codec, check_lengths, frames_at
from .media import SavedClip, bytes_of, mono, sound_of, to_audio, to_image
from .model import model_config
from .streams import read_streams


@dataclass(frozen=True, kw_only=True)
class Length:
    """A legal length on a model's timeline."""

    line: Timeline
    frames: int

    def outputs(self) -> tuple[int, float, float, int, int, str]:
        """What JoVA Length puts out."""
        line, frames = self.line, self.frames
        seconds, fps = float(line.seconds(frames)), float(line.fps)
        video, audio = line.video_latents(frames), line.audio_latents(frames)
        summary = (
            f"{seconds:.2f} s = {frames} frames at {fps:g} a second = {video} video latents and "
            f"{audio} audio latents"
        )
        return frames, seconds, fps, video, audio, summary


def plan_length(
    model: Any, seconds: float, audio: Any, film: Tensor | None, film_fps: float
) -> Length:
    """The length of a film, else of a sound, else the legal one nearest to `seconds`."""
    line = Timeline.of(model_config(model))
    if film is not None:
        there = frames_at(len(film), film_fps, line.fps)
        count = min(there, clip_frames(line, line.max_seconds))
        frames = line.whole_frames(count)
    elif audio is not None:
        wave, rate = sound_of(audio)
        frames = line.covering_frames(min(Fraction(wave.shape[1], rate), line.max_seconds))
    else:
        frames = clip_frames(line, seconds)
    return Length(line=line, frames=frames)


def required(given: str, **inputs: Any) -> list[Any]:
    """The values of `inputs`. Raises JoVAError for one that is not connected."""
    missing = [name for name, value in inputs.items() if value is None]
    if missing:
        raise JoVAError(
            f"`given` is {given}, but nothing is connected to {' and '.join(missing)}; connect "
            "it, or set `given` to nothing."
        )
    return list(inputs.values())


def decode(
    config: JoVAConfig, latent: dict[str, Any], video_vae: Any, audio_vae: Any
) -> tuple[Tensor | None, dict[str, Any] | None, float]:
    """IMAGE `[B·F, H, W, 3]`, AUDIO `[B, 1, N]` of exactly that length, frames a second.

    Raises JoVAError for NaN, for streams of different lengths and for codecs of another model.
    """
    streams, line = read_streams(latent["samples"]), Timeline.of(config)
    frames = check_lengths(config, streams)
    for name, part in (("video", streams.video), ("audio", streams.audio)):
        if part is not None and not torch.isfinite(part).all():
            raise JoVAError(f"The {name} latents hold NaN or infinity; lower the guidance scale.")
    images = audio = None
    if streams.video is not None and video_vae is not None:
        check_codec(config, video_vae, "video")
        images = video_vae.decode(streams.video).flatten(0, 1)
    if streams.audio is not None and audio_vae is not None:
        check_codec(config, audio_vae, "audio")
        wave = audio_vae.decode(streams.audio).movedim(-1, 1)
        rate = getattr(audio_vae, "audio_sample_rate_output", audio_vae.audio_sample_rate)
        samples = round(line.seconds(frames) * rate)
        audio = to_audio(wave[..., :samples].clamp(-1, 1), rate)
    return images, audio, float(line.fps)


def sample_media(name: str) -> tuple[Tensor, Tensor, dict[str, Any], float]:
    """Portrait, film, voice and frame rate of a bundled character."""
    found = load_sample(name)
    film = to_image(found.frames)
    return film[:1], film, to_audio(found.audio, found.sample_rate), float(found.fps)


def sync_report(images: Tensor, audio: Any, fps: float) -> tuple[str, float, Tensor]:
    """Table, offset in ms (0 where unknown) and plot of a clip."""
    wave, rate = mono(audio)
    rational = Fraction(fps).limit_denominator(1001)
    found = measure_sync(bytes_of(images), wave, rate, rational, model_path=face_model())
    plot = plot_sync(
        found.lips, found.envelope, fps=found.fps, offset_frames=found.sync.offset_frames
    )
    return sync_table(found), float(found.offset_ms or 0.0), to_image(plot[None])


class SavedClipUI:
    """What the page plays in a node, and the sentences it shows below."""

    def __init__(self, saved: SavedClip) -> None:
        self.saved = saved

    def as_dict(self) -> dict[str, Any]:
        """Core's form of a node's output for the page."""
        name, folder, kind = self.saved.preview
        shown = ui.PreviewVideo([ui.SavedResult(name, folder, io.FolderType(kind))]).as_dict()
        sentences = "\n".join([self.saved.clip.path.name, *self.saved.clip.notes])
        return {**shown, "text": (sentences,)}


class ReportUI:
    """The table and the plot in the node."""

    def __init__(self, table: str, plot: Tensor, cls: Any) -> None:
        self.table, self.plot = table, ui.PreviewImage(plot, cls=cls)

    def as_dict(self) -> dict[str, Any]:
        """Core's form of a node's output for the page."""
        return {**self.plot.as_dict(), "text": (self.table,)}
