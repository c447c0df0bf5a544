"""What the latent nodes do: lengths, empty latents, what is given, and what must agree."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
from ...jova_core.latents import AVLatents, latent_shapes
from ...jova_core.media import fit_image, resample
from ...jova_core.pipeline import clip_frames
from ...jova_core.timeline import Timeline
from .masks import give, noise_masks
from .media import bytes_of, mono, sound_of
from .model import model_config
from .streams import check_streams, nested, read_streams
from .vae import CodecVAE


def empty_latent(model: Any, frames: int, width: int, height: int, batch: int) -> dict[str, Any]:
    """Zeros of both streams for a legal frame count; side 0 is the one the model was trained on.

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
    found = read_streams(latent["samples"])
    if found.video is None or found.audio is None:
        missing = "video" if found.video is None else "audio"
        raise JoVAError(
            f"Got a latent without {missing}; expected both streams; start from Empty JoVA Latent, "
            "or join the streams with Concat AV Latent."
        )
    return found.video, found.audio


def check_codec(config: JoVAConfig, vae: Any, stream: str) -> None:
    """Raises JoVAError if a codec of this pack is not the one that the model was trained with."""
    channels = getattr(config, stream).channels
    wrong = isinstance(vae, CodecVAE) and (
        vae.latent_dim != {"video": 3, "audio": 1}[stream] or not vae.stats.match(config)
    )
    if wrong or getattr(vae, "latent_channels", channels) != channels:
        raise JoVAError(
            f"The {stream} codec does not belong to this model, which was trained with "
            f"{getattr(config, stream).codec}; connect the `{stream}_vae` of the matching Load "
            "JoVA Codecs."
        )


@dataclass(frozen=True, kw_only=True)
class Task:
    """A LATENT with what is given, and what the node shows."""

    latent: dict[str, Any]
    shown: str


def give_task(model: Any, latent: dict[str, Any], given: str, **inputs: Any) -> Task:
    """The LATENT with what JoVA Task gives: nothing, audio or video; says what is cut or missing.

    Raises JoVAError where what `given` names is not connected.
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
            "it, or set `given` to nothing."
        )
    return [inputs[name] for name in names]


def give_audio(
    config: JoVAConfig, latent: dict[str, Any], vae: Any, audio: dict[str, Any] | None
) -> dict[str, Any]:
    """The LATENT whose sound is given: cut, or followed by silence, to the clip's length."""
    video, empty = both_streams(latent)
    line = Timeline.of(config)
    frames = check_streams(config, AVLatents(video=video, audio=empty))
    wave, rate = mono(audio)
    wave = resample(wave, rate, line.sample_rate)[: line.audio_samples(frames)]
    whole = -(-empty.shape[2] * line.sample_rate // line.audio_rate)
    wave = torch.nn.functional.pad(wave, (0, int(whole) - len(wave)))
    known = vae.encode(wave[None, :, None])[..., : empty.shape[2]].to(empty)
    masks = noise_masks(latent)
    masks.audio[:] = 0
    return give(latent, video, known.expand_as(empty).clone(), masks)


def give_video(
    config: JoVAConfig, latent: dict[str, Any], vae: Any, video: Tensor, video_fps: float
) -> dict[str, Any]:
    """The LATENT whose pictures are given, picked at the model's rate. Needs enough of them."""
    empty, audio = both_streams(latent)
    line = Timeline.of(config)
    frames = check_streams(config, AVLatents(video=empty, audio=audio))
    available = frames_at(len(video), video_fps, line.fps)
    if available < frames:
        raise JoVAError(
            f"Got a video of {available} frames at {float(line.fps):g} a second; expected the "
            f"clip's {frames}; make the clip shorter, by connecting the video to JoVA Length."
        )
    picked = [int(i * _step(video_fps, line.fps) + Fraction(1, 2)) for i in range(frames)]
    ratio = vae.spacial_compression_encode()
    size = (empty.shape[3] * ratio, empty.shape[4] * ratio)
    fitted = torch.stack([fit_image(frame, *size) for frame in bytes_of(video[picked])])
    known = vae.encode(fitted.float() / 255).to(empty)
    masks = noise_masks(latent)
    masks.video[:] = 0
    return give(latent, known.expand_as(empty).clone(), audio, masks)


def frames_at(count: int, video_fps: float, fps: Fraction) -> int:
    """How many frames at `fps` can be picked from `count` at `video_fps` (0: the same rate)."""
    return int((count - Fraction(1, 2)) / _step(video_fps, fps) - Fraction(1, 10**9)) + 1


def _step(video_fps: float, fps: Fraction) -> Fraction:
    """Frames of the video from one picked frame to the next."""
    return Fraction(video_fps).limit_denominator(1001) / fps if video_fps else Fraction(1)


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
    model: Any, seconds: float, audio: Any, video: Tensor | None, video_fps: float
) -> Length:
    """The length of a video, else of audio, else the legal one nearest to `seconds`."""
    line = Timeline.of(model_config(model))
    if video is not None:
        available = frames_at(len(video), video_fps, line.fps)
        count = min(available, clip_frames(line, line.max_seconds))
        frames = line.whole_frames(count)
    elif audio is not None:
        wave, rate = sound_of(audio)
        frames = line.covering_frames(min(Fraction(wave.shape[1], rate), line.max_seconds))
    else:
        frames = clip_frames(line, seconds)
    return Length(line=line, frames=frames)
