"""Latent nodes: lengths, empty latents, given streams, and checks that they fit together."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
from ...jova_core.latents import AVLatents, latent_shapes
from ...jova_core.media import fit_image, resample
from ...jova_core.pipeline import clip_frames
from ...jova_core.planning import Plan, plan
from ...jova_core.timeline import Timeline
from .codecs import check_codec, encode_audio
from .masks import noise_masks, with_streams
from .media import bytes_of, waveform_of
from .model import model_config
from .streams import check_streams, nested, read_streams


def empty_latent(model: Any, frames: int, width: int, height: int, batch: int) -> dict[str, Any]:
    """Zeros of both streams for a legal frame count; side 0 is the model's training size.

    Raises JoVAError for an illegal frame count or side.
    """
    config = model_config(model)
    ratio = config.video.spatial_ratio
    if width % ratio or height % ratio:
        raise JoVAError(
            f"Got {width} x {height} px; expected sides that are multiples of {ratio}; change them."
        )
    shapes = latent_shapes(config, frames, batch=batch, height=height, width=width)
    management = comfy.model_management
    kw = {"device": management.intermediate_device(), "dtype": management.intermediate_dtype()}
    video, audio = (torch.zeros(shape, **kw) for shape in shapes)
    return {"samples": nested(AVLatents(video=video, audio=audio))}


def both_streams(latent: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Video and audio of a LATENT. Raises JoVAError unless it holds both."""
    streams = read_streams(latent["samples"])
    if streams.video is None or streams.audio is None:
        missing = "video" if streams.video is None else "audio"
        raise JoVAError(
            f"Got a latent without {missing}; expected both streams; start from Empty JoVA Latent, "
            "or join the streams with Concat AV Latent."
        )
    return streams.video, streams.audio


@dataclass(frozen=True, kw_only=True)
class Task:
    """A LATENT with what is given, and what the node shows."""

    latent: dict[str, Any]
    shown: str


def give_task(model: Any, latent: dict[str, Any], given: str, **inputs: Any) -> Task:
    """The LATENT with what JoVA Task gives: nothing, audio or video; says what is cut or missing.

    Raises JoVAError if an input of the task is not connected.
    """
    config = model_config(model)
    if given == "audio":
        audio, vae = _required(given, inputs, "audio", "audio_vae")
        made = give_audio(config, latent, vae, audio)
        return Task(latent=made, shown=_describe_audio(config, made, audio))
    if given == "video":
        video, vae = _required(given, inputs, "film", "video_vae")
        made = give_video(config, latent, vae, video, inputs["film_fps"])
        return Task(latent=made, shown="The video is given; the sound is made to it.")
    return Task(latent=latent, shown="Nothing is given; video and sound are made.")


def _describe_audio(config: JoVAConfig, latent: dict[str, Any], audio: dict[str, Any]) -> str:
    line = Timeline.of(config)
    seconds = float(line.seconds(check_streams(config, read_streams(latent["samples"]))))
    there = audio["waveform"].shape[-1] / audio["sample_rate"]
    shown = "The sound is given; the video is made to it."
    if there > seconds + 1 / line.fps:
        return f"{shown} It lasts {there:.2f} s; the clip takes its first {seconds:.2f} s."
    if there < seconds - 1 / line.fps:
        return f"{shown} It lasts {there:.2f} s; silence follows up to the clip's {seconds:.2f} s."
    return shown


def _required(given: str, inputs: dict[str, Any], *names: str) -> list[Any]:
    missing = [name for name in names if inputs[name] is None]
    if missing:
        raise JoVAError(
            f"`given` is {given}, but nothing is connected to {' and '.join(missing)}; connect "
            "that, or set `given` to nothing."
        )
    return [inputs[name] for name in names]


def give_audio(
    config: JoVAConfig, latent: dict[str, Any], vae: Any, audio: dict[str, Any] | None
) -> dict[str, Any]:
    """The LATENT with given audio, cut or padded with silence to the clip's length."""
    video, empty = both_streams(latent)
    timeline = Timeline.of(config)
    frames = check_streams(config, AVLatents(video=video, audio=empty))
    check_codec(config, vae, "audio")
    wave, rate = waveform_of(audio and {**audio, "waveform": audio["waveform"][:1]})
    own = vae.audio_sample_rate
    end = floor(timeline.seconds(frames) * own + Fraction(1, 2))
    wave = resample(wave, rate, own)[:, :end]
    samples = ceil(empty.shape[2] * own / timeline.audio_rate)
    wave = torch.nn.functional.pad(wave, (0, samples - wave.shape[1]))
    encoded = encode_audio(vae, wave, empty.shape[2]).to(empty)
    masks = noise_masks(latent)
    masks.audio[:] = 0
    return with_streams(latent, video, encoded.expand_as(empty).clone(), masks)


def give_video(
    config: JoVAConfig, latent: dict[str, Any], vae: Any, video: Tensor, video_fps: float
) -> dict[str, Any]:
    """The LATENT with given video, resampled to the model's frame rate.

    Raises JoVAError for too few frames.
    """
    empty, audio = both_streams(latent)
    timeline = Timeline.of(config)
    frames = check_streams(config, AVLatents(video=empty, audio=audio))
    check_codec(config, vae, "video")
    available = frames_at(len(video), video_fps, timeline.fps)
    if available < frames:
        raise JoVAError(
            f"Got a video of {available} frames at {float(timeline.fps):g} fps; the clip has "
            f"{frames}: connect the video to JoVA Length as well, for a shorter clip."
        )
    picks = [int(i * _step(video_fps, timeline.fps) + Fraction(1, 2)) for i in range(frames)]
    ratio = vae.spacial_compression_encode()
    size = (empty.shape[3] * ratio, empty.shape[4] * ratio)
    fitted = torch.stack([fit_image(frame, *size) for frame in bytes_of(video[picks])])
    encoded = vae.encode(fitted.float() / 255).to(empty)
    masks = noise_masks(latent)
    masks.video[:] = 0
    return with_streams(latent, encoded.expand_as(empty).clone(), audio, masks)


def frames_at(count: int, video_fps: float, fps: Fraction) -> int:
    """Number of frames at `fps` in `count` frames at `video_fps` (0: the same rate)."""
    return int((count - Fraction(1, 2)) / _step(video_fps, fps) - Fraction(1, 10**9)) + 1


def _step(video_fps: float, fps: Fraction) -> Fraction:
    """Source frames per frame at `fps`."""
    return Fraction(video_fps).limit_denominator(1001) / fps if video_fps else Fraction(1)


@dataclass(frozen=True, kw_only=True)
class Length:
    """A legal length on a model's timeline, and what a clip of it needs."""

    timeline: Timeline
    frames: int
    needs: Plan

    def outputs(self) -> tuple[int, float, float, int, int, str]:
        """Outputs of JoVA Length, in their order."""
        timeline, frames = self.timeline, self.frames
        seconds, fps = float(timeline.seconds(frames)), float(timeline.fps)
        video, audio = timeline.video_latents(frames), timeline.audio_latents(frames)
        summary = (
            f"{seconds:.2f} s = {frames} frames at {fps:g} fps = {video} video latents and "
            f"{audio} audio latents. At the trained size it needs "
            f"{self.needs.weights / 1e9:.1f} GB for weights in bf16, "
            f"{self.needs.activations / 1e9:.1f} GB for activations and "
            f"{self.needs.decode / 1e9:.1f} GB to decode."
        )
        return frames, seconds, fps, video, audio, summary


def plan_length(
    model: Any, seconds: float, audio: Any, video: Tensor | None, video_fps: float
) -> Length:
    """The length of a video, else of audio, else the legal length nearest to `seconds`."""
    config = model_config(model)
    timeline = Timeline.of(config)
    if video is not None:
        available = frames_at(len(video), video_fps, timeline.fps)
        count = min(available, clip_frames(timeline, timeline.max_seconds))
        frames = timeline.whole_frames(count)
    elif audio is not None:
        wave, rate = waveform_of(audio)
        longest = timeline.max_seconds
        frames = timeline.covering_frames(min(Fraction(wave.shape[1], rate), longest))
    else:
        frames = clip_frames(timeline, seconds)
    return Length(timeline=timeline, frames=frames, needs=plan(config, frames))
