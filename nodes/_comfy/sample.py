"""Sampling on core's samplers, with a guidance scale for each stream and a moving preview."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from typing import Any

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
import torch
from comfy_extras.nodes_model_advanced import ModelSamplingSD3
from PIL import Image
from torch import Tensor

from .masks import GIVEN, noise_masks
from .mini import PreviewFactors, preview_frames
from .model import model_config
from .streams import check_streams, map_streams, nested, read_streams, stream_parts

_PREVIEW_SIDE = 256  # px
_PREVIEW_PAUSE = 1.0  # s between previews, which would slow down quick steps


@dataclass(frozen=True, kw_only=True)
class SamplerChoice:
    """Settings of core's KSampler; shift 0 is the checkpoint's."""

    seed: int
    steps: int
    cfg_video: float
    cfg_audio: float
    sampler_name: str
    scheduler: str
    denoise: float
    shift: float


def sampler_names() -> list[str]:
    """Core's samplers."""
    return list(comfy.samplers.KSampler.SAMPLERS)


def scheduler_names() -> list[str]:
    """Core's schedulers."""
    return list(comfy.samplers.KSampler.SCHEDULERS)


def sample(
    model: Any, positive: Any, negative: Any, latent: dict[str, Any], choice: SamplerChoice
) -> dict[str, Any]:
    """The latent dict with sampled streams, video first; other keys stay.

    Raises JoVAError, before anything is sampled, for streams that do not belong together.
    """
    latent = _prepared(model, latent)
    if choice.shift > 0:
        (model,) = ModelSamplingSD3().patch(model, choice.shift)
    scale = choice.cfg_video
    if choice.cfg_video != choice.cfg_audio:
        model, scale = with_two_scales(model), TwoScales(choice.cfg_video, choice.cfg_audio)
    start = latent["samples"]
    samples = comfy.sample.sample(
        model,
        comfy.sample.prepare_noise(start, choice.seed, latent.get("batch_index")),
        choice.steps,
        scale,
        choice.sampler_name,
        choice.scheduler,
        positive,
        negative,
        start,
        denoise=choice.denoise,
        noise_mask=latent.get("noise_mask"),
        callback=progress(model, choice.steps),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=choice.seed,
    )
    return {**latent, "samples": samples}


def _prepared(model: Any, latent: dict[str, Any]) -> dict[str, Any]:
    """The LATENT as it is sampled: video first, one batch size, a mask for each stream.

    An empty latent of another model gets this one's shape, as in core's samplers.
    """
    config, ratios = model_config(model), ("downscale_ratio_spacial", "downscale_ratio_temporal")
    samples = comfy.sample.fix_empty_latent_channels(
        model, latent["samples"], *(latent.get(name) for name in ratios)
    )
    streams = read_streams(samples)
    batch = max(len(part) for part in stream_parts(samples))
    even = streams.map(lambda part: part.expand(batch, *part.shape[1:]) if len(part) == 1 else part)
    check_streams(config, even)
    kept = {name: value for name, value in latent.items() if name not in ratios}
    if "noise_mask" in kept or GIVEN in kept:
        masks = noise_masks({**kept, "samples": samples})
        kept["noise_mask"] = nested(masks.map(partial(_repeated, batch)))
    return {**kept, "samples": nested(even)}


def _repeated(batch: int, mask: Tensor) -> Tensor:
    return comfy.utils.repeat_to_batch_size(mask, batch)


class TwoScales(float):
    """A guidance scale as core carries it, the video's, with the audio's beside it.

    A node that sets another scale while sampling replaces it, and with it both.
    """

    audio: float

    def __new__(cls, video: float, audio: float) -> "TwoScales":
        scale = super().__new__(cls, video)
        scale.audio = audio
        return scale


def with_two_scales(model: Any) -> Any:
    """A clone of a MODEL whose guidance, and what nodes put in its place, acts on each stream.

    Functions of other nodes are called with the scale of each stream in turn.
    """
    model = model.clone()
    options = model.model_options
    combine = options.get("sampler_cfg_function", _classifier_free)
    model.set_model_sampler_cfg_function(_by_stream(combine), disable_cfg1_optimization=True)
    after = options.get("sampler_post_cfg_function", [])
    options["sampler_post_cfg_function"] = [_by_stream(function) for function in after]
    return model


def _classifier_free(arguments: dict[str, Any]) -> Tensor:
    """What core does without a function: uncond + scale · (cond − uncond), as its noise."""
    uncond, scale = arguments["uncond"], float(arguments["cond_scale"])
    return torch.lerp(uncond, arguments["cond"], scale)


def _by_stream(function: Callable[[dict[str, Any]], Tensor]) -> Callable[[dict[str, Any]], Tensor]:
    """A guidance function whose video comes by the video's scale and audio by the audio's."""

    def guide(arguments: dict[str, Any]) -> Tensor:
        scale = arguments["cond_scale"]
        audio_scale = getattr(scale, "audio", scale)
        video = function({**arguments, "cond_scale": float(scale)})
        if audio_scale == scale:
            return video
        audio = function({**arguments, "cond_scale": float(audio_scale)})
        shapes = arguments["model"].latent_shapes
        heard = read_streams(audio, shapes).audio
        return map_streams(video, shapes, lambda parts: replace(parts, audio=heard))

    return guide


class AnimatedPreview(Image.Image):
    """An animated PNG in the place of the still image in core's preview messages.

    Encoded here, in the sampler's thread: core saves images in the server's event loop and would
    block it.
    """

    def __init__(self, frames: list[Image.Image], milliseconds: int) -> None:
        super().__init__()
        first, *rest = frames
        buffer = BytesIO()
        first.save(
            buffer,
            "PNG",
            save_all=True,
            append_images=rest,
            duration=milliseconds,
            loop=0,
            compress_level=1,
        )
        self.encoded = buffer.getvalue()

    def save(self, target: Any, *_: Any, **__: Any) -> None:
        """Write the encoded PNG, which loops."""
        target.write(self.encoded)


def progress(model: Any, steps: int) -> Callable[[int, Any, Any, int], None]:
    """Callback for core's samplers: progress bar and moving preview.

    Updating the bar raises after a cancel, which stops the sampler.
    """
    bar = comfy.utils.ProgressBar(steps)
    spec = model_config(model).video
    milliseconds = round(1000 * spec.temporal_ratio / spec.fps)
    look, factors = model.model.latent_format, None
    if look.latent_rgb_factors is not None:
        factors = PreviewFactors(factors=look.latent_rgb_factors, bias=look.latent_rgb_factors_bias)
    last_preview = time.monotonic() - _PREVIEW_PAUSE

    def show(step: int, x0: Any, _x: Any, total: int) -> None:
        nonlocal last_preview
        preview, video = None, read_streams(x0, [x0.shape]).video
        due = time.monotonic() - last_preview >= _PREVIEW_PAUSE or step + 1 == total
        if due and factors is not None and video is not None:
            preview, last_preview = _preview(video[0], factors, milliseconds), time.monotonic()
        bar.update_absolute(step + 1, total, preview)

    return show


def _preview(
    video: Tensor, factors: PreviewFactors, milliseconds: int
) -> tuple[str, AnimatedPreview, None]:
    frames = [Image.fromarray(f.numpy()) for f in preview_frames(video.float().cpu(), factors)]
    factor = max(1, _PREVIEW_SIDE // max(frames[0].size))
    size = tuple(side * factor for side in frames[0].size)
    enlarged = [frame.resize(size, Image.Resampling.BICUBIC) for frame in frames]
    return "PNG", AnimatedPreview(enlarged, milliseconds), None
