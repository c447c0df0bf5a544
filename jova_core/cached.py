"""Sampling from cached conditioning: a network of any size, without text encoders and codecs."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .flow.cache import StepCache
from .flow.guidance import classifier_free
from .flow.solvers import SOLVERS, Velocity
from .latents import AVLatents, Conditioning, draw_noise
from .model.jova import JoVA
from .pipeline import SampleSettings


@dataclass(frozen=True, kw_only=True)
class CachedVelocity:
    """The guided velocity of one clip, with and without the prompt in passes of their own.

    So their texts may differ in length, and activations are held once. empty is what guidance leads
    away from; None where there is no guidance.
    """

    model: JoVA
    settings: SampleSettings
    told: Conditioning
    empty: Conditioning | None

    def __call__(self, x: AVLatents, sigma: float) -> AVLatents:
        video_scale, audio_scale = self.settings.scales(sigma)
        cond = self._predict(x, sigma, self.told)
        if self.empty is None or video_scale == audio_scale == 1:
            return cond
        uncond = self._predict(x, sigma, self.empty)
        return classifier_free(cond, uncond, video_scale=video_scale, audio_scale=audio_scale)

    def _predict(self, x: AVLatents, sigma: float, conditioning: Conditioning) -> AVLatents:
        # In the dtype of the weights; the solver's state stays fp32.
        dtype = self.model.branches["v"].input.weight.dtype
        time = torch.full((1,), 1000 * sigma)
        out = self.model(x.map(lambda part: part.to(dtype)), time, time, conditioning)
        return out.map(Tensor.float)


@torch.inference_mode()
def sample_cached(
    model: JoVA,
    told: Conditioning,
    empty: Conditioning | None,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    settings: SampleSettings,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> AVLatents:
    """Normalised latents of shapes as `latent_shapes` gives them; see `CachedVelocity`.

    `progress(step, steps)` is called before each step.
    """
    velocity: Velocity = CachedVelocity(model=model, settings=settings, told=told, empty=empty)
    if settings.cache:
        velocity = StepCache(velocity, settings.cache)

    def callback(step: int, _x: AVLatents, _x0: AVLatents) -> None:
        if progress is not None:
            progress(step + 1, settings.steps)

    sigmas = settings.sigmas(model.config)
    noise = draw_noise(*shapes, settings.seed)
    return SOLVERS[settings.solver](velocity, noise, sigmas, callback)
