"""Sampling on core's samplers, with a guidance scale for each stream and a moving preview."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
from comfy_extras.nodes_model_advanced import ModelSamplingSD3
from PIL import Image
from torch import Tensor

from ...jova_core.flow.guidance import classifier_free
from .mini import PreviewFactors, preview_frames
from .model import model_config
from .streams import read_streams

_PREVIEW_SIDE = 256  # px
_PREVIEW_PAUSE = 1.0  # s between previews, so that they cost little beside quick steps


@dataclass(frozen=True, kw_only=True)
class SamplerChoice:
    """What core's KSampler is told; shift 0 is the checkpoint's."""

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
    """The latent dict with sampled streams; masks and other keys stay."""
    if choice.shift > 0:
        (model,) = ModelSamplingSD3().patch(model, choice.shift)
    if choice.cfg_video != choice.cfg_audio:
        model = model.clone()
        model.set_model_sampler_cfg_function(
            guide_streams(choice.cfg_video, choice.cfg_audio), disable_cfg1_optimization=True
        )
    start = latent["samples"]
    samples = comfy.sample.sample(
        model,
        comfy.sample.prepare_noise(start, choice.seed, latent.get("batch_index")),
        choice.steps,
        choice.cfg_video,
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


def guide_streams(cfg_video: float, cfg_audio: float) -> Callable[[dict[str, Any]], Tensor]:
    """Core's guidance function with a scale for each stream."""

    def guide(arguments: dict[str, Any]) -> Tensor:
        shapes = arguments["model"].latent_shapes
        cond = read_streams(arguments["cond_denoised"], shapes)
        uncond = read_streams(arguments["uncond_denoised"], shapes)
        guided = classifier_free(cond, uncond, video_scale=cfg_video, audio_scale=cfg_audio)
        parts = [part for part in (guided.video, guided.audio) if part is not None]
        joined = parts[0] if len(parts) == 1 else comfy.utils.pack_latents(parts)[0]
        return arguments["input"] - joined

    return guide


class Film(Image.Image):
    """An animated PNG that core's preview messages take for a picture.

    It is encoded here, in the sampler's thread: core saves pictures in the server's event loop,
    which would answer nobody meanwhile.
    """

    def __init__(self, pictures: list[Image.Image], milliseconds: int) -> None:
        super().__init__()
        first, *rest = pictures
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
        """Write what was encoded; players loop it."""
        target.write(self.encoded)


def progress(model: Any, steps: int) -> Callable[[int, Any, Any, int], None]:
    """Callback for core's samplers: the bar, and the clip as it stands as a moving preview.

    Moving the bar also stops the sampler when the user pressed cancel.
    """
    bar = comfy.utils.ProgressBar(steps)
    video_rate = model_config(model).video
    milliseconds = round(1000 * video_rate.temporal_ratio / video_rate.fps)
    look = model.model.latent_format
    known = None
    if look.latent_rgb_factors is not None:
        known = PreviewFactors(factors=look.latent_rgb_factors, bias=look.latent_rgb_factors_bias)
    shown = time.monotonic() - _PREVIEW_PAUSE

    def show(step: int, x0: Any, _x: Any, total: int) -> None:
        nonlocal shown
        film, video = None, read_streams(x0, [x0.shape]).video
        due = time.monotonic() - shown >= _PREVIEW_PAUSE or step + 1 == total
        if due and known is not None and video is not None:
            film, shown = _film(video[0], known, milliseconds), time.monotonic()
        bar.update_absolute(step + 1, total, film)

    return show


def _film(video: Tensor, known: PreviewFactors, milliseconds: int) -> tuple[str, Film, None]:
    pictures = [Image.fromarray(f.numpy()) for f in preview_frames(video.float().cpu(), known)]
    factor = max(1, _PREVIEW_SIDE // max(pictures[0].size))
    size = tuple(side * factor for side in pictures[0].size)
    grown = [picture.resize(size, Image.Resampling.BICUBIC) for picture in pictures]
    return "PNG", Film(grown, milliseconds), None
