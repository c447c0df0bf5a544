"""Sampling on core's samplers, with a guidance scale for each stream and a moving preview."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
from comfy_extras.nodes_model_advanced import ModelSamplingSD3
from PIL import Image
from torch import Tensor

from ...jova_core.codecs.preview import PREVIEW, preview_frames
from ...jova_core.flow.guidance import classifier_free
from .model import model_config
from .streams import read_streams

_PREVIEW_SIDE = 256  # px
_PREVIEW_FRAME = 250  # ms, a latent frame at the mini's rates


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
    """A picture that saves itself as an animated PNG, for core's preview messages."""

    def __init__(self, pictures: list[Image.Image], milliseconds: int) -> None:
        super().__init__()
        self.pictures, self.milliseconds = pictures, milliseconds

    def save(self, target: Any, format: str | None = None, **_: Any) -> None:
        """Write all pictures; players loop them."""
        first, *rest = self.pictures
        first.save(
            target, format, save_all=True, append_images=rest, duration=self.milliseconds, loop=0
        )


def progress(model: Any, steps: int) -> Callable[[int, Any, Any, int], None]:
    """Callback for core's samplers: the bar, and the clip as it stands as a moving preview.

    Moving the bar also stops the sampler when the user pressed cancel.
    """
    bar = comfy.utils.ProgressBar(steps)
    config = model_config(model)
    name = config.video.codec if config.video.codec in PREVIEW else None

    def show(step: int, x0: Any, _x: Any, total: int) -> None:
        video = read_streams(x0, [x0.shape]).video
        film = None if name is None or video is None else _film(video[0], name)
        bar.update_absolute(step + 1, total, film)

    return show


def _film(video: Tensor, name: str) -> tuple[str, Film, None]:
    pictures = [Image.fromarray(f.numpy()) for f in preview_frames(video.float().cpu(), name)]
    factor = max(1, _PREVIEW_SIDE // max(pictures[0].size))
    size = tuple(side * factor for side in pictures[0].size)
    grown = [picture.resize(size, Image.Resampling.BICUBIC) for picture in pictures]
    return "PNG", Film(grown, _PREVIEW_FRAME), None
