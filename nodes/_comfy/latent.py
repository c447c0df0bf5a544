"""What the latent nodes do: lengths, empty latents, what is given, and what must agree."""

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
from .media import bytes_of, sound_of
from .model import model_config
from .streams import nested, read_streams


def empty_latent(model: Any, frames: int, width: int, height: int, batch: int) -> dict[str, Any]:
    """Zeros of both streams for a legal frame count; side 0 is the one the model was trained on.

    Raises JoVAError for an illegal frame count or side.
    """
    config = model_config(model)
    ratio = config.video.spatial_ratio
    if width % ratio or height % ratio:
        raise JoVAError(f"{width} x {height} px came; both sides must be multiples of {ratio}.")
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
            f"The latent has no {missing} stream; start from Empty JoVA Latent, or join the "
            "streams with Concat AV Latent."
        )
    return found.video, found.audio


def check_lengths(config: JoVAConfig, latent: AVLatents) -> int:
    """Frames of the clip. Raises JoVAError if the two streams do not last equally long."""
    line = Timeline.of(config)
    if latent.video is None:
        # An audio latent reaches up to one latent past the pictures it was made for.
        return max(1, int(latent.audio.shape[2] / line.audio_rate * line.fps))
    frames = line.frames(latent.video.shape[2])
    expected = line.audio_latents(frames)
    if latent.audio is not None and latent.audio.shape[2] != expected:
        raise JoVAError(
            f"The video stream lasts {float(line.seconds(frames)):.2f} s ({frames} frames) and "
            f"needs {expected} audio latents; {latent.audio.shape[2]} came: make both with Empty "
            "JoVA Latent of one length."
        )
    return frames


def give_task(model: Any, latent: dict[str, Any], given: str, **inputs: Any) -> dict[str, Any]:
    """The LATENT with what JoVA Task gives: nothing, audio or video.

    Raises JoVAError where what `given` names is not connected.
    """
    config = model_config(model)
    if given == "audio":
        audio, vae = _required(given, inputs, "audio", "audio_vae")
        return give_audio(config, latent, vae, audio)
    if given == "video":
        video, vae = _required(given, inputs, "film", "video_vae")
        return give_video(config, latent, vae, video, inputs["film_fps"])
    return latent


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
    frames = check_lengths(config, AVLatents(video=video, audio=empty))
    check_codec(config, vae, "audio")
    wave, rate = sound_of(audio and {**audio, "waveform": audio["waveform"][:1]})
    own = vae.audio_sample_rate
    wave = resample(wave, rate, own)[:, : floor(line.seconds(frames) * own + Fraction(1, 2))]
    whole = ceil(empty.shape[2] * own / line.audio_rate)
    wave = torch.nn.functional.pad(wave, (0, whole - wave.shape[1]))
    known = encode_audio(vae, wave, empty.shape[2]).to(empty)
    masks = noise_masks(latent, video, empty)
    masks.audio[:] = 0
    return give(latent, video, known.expand_as(empty).clone(), masks)


def give_video(
    config: JoVAConfig, latent: dict[str, Any], vae: Any, video: Tensor, video_fps: float
) -> dict[str, Any]:
    """The LATENT whose pictures are given, picked at the model's rate. Needs enough of them."""
    empty, audio = both_streams(latent)
    line = Timeline.of(config)
    frames = check_lengths(config, AVLatents(video=empty, audio=audio))
    check_codec(config, vae, "video")
    available = frames_at(len(video), video_fps, line.fps)
    if available < frames:
        raise JoVAError(
            f"The video gives {available} frames at {float(line.fps):g} a second; the clip needs "
            f"{frames}: make the clip shorter, by connecting the video to JoVA Length."
        )
    picked = [int(i * _step(video_fps, line.fps) + Fraction(1, 2)) for i in range(frames)]
    ratio = vae.spacial_compression_encode()
    size = (empty.shape[3] * ratio, empty.shape[4] * ratio)
    fitted = torch.stack([fit_image(frame, *size) for frame in bytes_of(video[picked])])
    known = vae.encode(fitted.float() / 255).to(empty)
    masks = noise_masks(latent, empty, audio)
    masks.video[:] = 0
    return give(latent, known.expand_as(empty).clone(), audio, masks)


def frames_at(count: int, video_fps: float, fps: Fraction) -> int:
    """How many frames at `fps` can be picked from `count` at `video_fps` (0: the same rate)."""
    return int((count - Fraction(1, 2)) / _step(video_fps, fps) - Fraction(1, 10**9)) + 1


def _step(video_fps: float, fps: Fraction) -> Fraction:
    """Frames of the video from one picked frame to the next."""
    return Fraction(video_fps).limit_denominator(1001) / fps if video_fps else Fraction(1)


def noise_masks(latent: dict[str, Any], video: Tensor, audio: Tensor) -> AVLatents:
    """Copies of the noise masks, `[B, 1, T, h, w]` and `[B, 1, L]`; 1 where there are none."""
    masks = AVLatents(
        video=torch.ones_like(video[:, :1]),
        audio=torch.ones_like(audio[:, :1]),
    )
    old = latent.get("noise_mask")
    if old is None:
        return masks
    if not old.is_nested:
        raise JoVAError(
            "The latent already has a mask for its pictures only; set masks after this node."
        )
    return read_streams(old).map(torch.clone)


def give(latent: dict[str, Any], video: Tensor, audio: Tensor, masks: AVLatents) -> dict[str, Any]:
    samples = nested(AVLatents(video=video, audio=audio))
    return {**latent, "samples": samples, "noise_mask": nested(masks)}


@dataclass(frozen=True, kw_only=True)
class Length:
    """A legal length on a model's timeline, and what a clip of it needs."""

    line: Timeline
    frames: int
    needs: Plan

    def outputs(self) -> tuple[int, float, float, int, int, str]:
        """What JoVA Length puts out."""
        line, frames = self.line, self.frames
        seconds, fps = float(line.seconds(frames)), float(line.fps)
        video, audio = line.video_latents(frames), line.audio_latents(frames)
        summary = (
            f"{seconds:.2f} s = {frames} frames at {fps:g} a second = {video} video latents and "
            f"{audio} audio latents. At the size the model was trained on it needs "
            f"{self.needs.weights / 1e9:.1f} GB for weights in bf16, "
            f"{self.needs.activations / 1e9:.1f} GB for activations and "
            f"{self.needs.decode / 1e9:.1f} GB to decode."
        )
        return frames, seconds, fps, video, audio, summary


def plan_length(
    model: Any, seconds: float, audio: Any, video: Tensor | None, video_fps: float
) -> Length:
    """The length of a video, else of audio, else the legal one nearest to `seconds`."""
    config = model_config(model)
    line = Timeline.of(config)
    if video is not None:
        available = frames_at(len(video), video_fps, line.fps)
        count = min(available, clip_frames(line, line.max_seconds))
        frames = line.whole_frames(count)
    elif audio is not None:
        wave, rate = sound_of(audio)
        frames = line.covering_frames(min(Fraction(wave.shape[1], rate), line.max_seconds))
    else:
        frames = clip_frames(line, seconds)
    return Length(line=line, frames=frames, needs=plan(config, frames))
