"""LATENT dicts: empty ones, given pictures and sounds in them, and what must agree."""

from fractions import Fraction
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ...jova_core.config import JoVAConfig, JoVAError
from ...jova_core.latents import AVLatents, latent_shapes
from ...jova_core.media import fit_image, resample
from ...jova_core.timeline import Timeline
from .codecs import CodecVAE
from .media import bytes_of, mono
from .streams import nested, read_streams


def empty_latent(
    config: JoVAConfig, frames: int, width: int, height: int, batch: int
) -> dict[str, Any]:
    """Zeros of both streams for a legal frame count; side 0 is the one the model was trained on.

    Raises JoVAError for an illegal frame count or side.
    """
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


def check_codec(config: JoVAConfig, vae: Any, stream: str) -> None:
    """Raises JoVAError if a codec of this pack is not the one that the model was trained with."""
    channels = getattr(config, stream).channels
    wrong = isinstance(vae, CodecVAE) and (
        vae.latent_dim != {"video": 3, "audio": 1}[stream] or not vae.stats.fit(config)
    )
    if wrong or getattr(vae, "latent_channels", channels) != channels:
        raise JoVAError(
            f"The {stream} codec does not belong to this model, which was trained with "
            f"{getattr(config, stream).codec}; connect the `{stream}_vae` of the matching Load "
            "JoVA Codecs."
        )


def give_first_frame(
    latent: dict[str, Any], vae: Any, image: Tensor
) -> tuple[dict[str, Any], Tensor]:
    """The LATENT with its first frame given, and the raw latent `[1, C, 1, h, w]` of the picture.

    The picture (the first of a batch) is cropped and scaled to the clip's size.
    """
    video, audio = both_streams(latent)
    ratio = vae.spacial_compression_encode()
    size = (video.shape[3] * ratio, video.shape[4] * ratio)
    fitted = fit_image(bytes_of(image[:1])[0], *size)
    known = vae.encode(fitted[None].float() / 255).to(video)
    video = video.clone()
    video[:, :, :1] = known
    masks = _masks(latent, video, audio)
    masks.video[:, :, 0] = 0
    return _given(latent, video, audio, masks), known


def give_audio(
    config: JoVAConfig, latent: dict[str, Any], vae: Any, audio: dict[str, Any] | None
) -> dict[str, Any]:
    """The LATENT whose sound is given: cut, or followed by silence, to the clip's length."""
    video, empty = both_streams(latent)
    line = Timeline.of(config)
    frames = check_lengths(config, AVLatents(video=video, audio=empty))
    wave, rate = mono(audio)
    wave = resample(wave, rate, line.sample_rate)[: line.audio_samples(frames)]
    whole = -(-empty.shape[2] * line.sample_rate // line.audio_rate)
    wave = torch.nn.functional.pad(wave, (0, int(whole) - len(wave)))
    known = vae.encode(wave[None, :, None])[..., : empty.shape[2]].to(empty)
    masks = _masks(latent, video, empty)
    masks.audio[:] = 0
    return _given(latent, video, known.expand_as(empty).clone(), masks)


def give_film(
    config: JoVAConfig, latent: dict[str, Any], vae: Any, film: Tensor, film_fps: float
) -> dict[str, Any]:
    """The LATENT whose pictures are given, picked at the model's rate. Needs enough of them."""
    empty, audio = both_streams(latent)
    line = Timeline.of(config)
    frames = check_lengths(config, AVLatents(video=empty, audio=audio))
    there = frames_at(len(film), film_fps, line.fps)
    if there < frames:
        raise JoVAError(
            f"The film gives {there} frames at {float(line.fps):g} a second, the clip has {frames};"
            " make the clip shorter: connect the film to JoVA Length."
        )
    picked = [int(i * _step(film_fps, line.fps) + Fraction(1, 2)) for i in range(frames)]
    ratio = vae.spacial_compression_encode()
    size = (empty.shape[3] * ratio, empty.shape[4] * ratio)
    fitted = torch.stack([fit_image(frame, *size) for frame in bytes_of(film[picked])])
    known = vae.encode(fitted.float() / 255).to(empty)
    masks = _masks(latent, empty, audio)
    masks.video[:] = 0
    return _given(latent, known.expand_as(empty).clone(), audio, masks)


def frames_at(count: int, film_fps: float, fps: Fraction) -> int:
    """How many frames at `fps` can be picked from `count` at `film_fps` (0: the same rate)."""
    return int((count - Fraction(1, 2)) / _step(film_fps, fps) - Fraction(1, 10**9)) + 1


def _step(film_fps: float, fps: Fraction) -> Fraction:
    """Frames of the film from one picked frame to the next."""
    return Fraction(film_fps).limit_denominator(1001) / fps if film_fps else Fraction(1)


def _masks(latent: dict[str, Any], video: Tensor, audio: Tensor) -> AVLatents:
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


def _given(
    latent: dict[str, Any], video: Tensor, audio: Tensor, masks: AVLatents
) -> dict[str, Any]:
    samples = nested(AVLatents(video=video, audio=audio))
    return {**latent, "samples": samples, "noise_mask": nested(masks)}
