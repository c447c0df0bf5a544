"""From a prompt to latents: text, given media, noise, guidance, solver."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from .codecs import Codecs, TextEncoder
from .config import JoVAConfig
from .errors import JoVAError
from .flow.cache import StepCache
from .flow.guidance import classifier_free
from .flow.schedule import simple_sigmas
from .flow.solvers import SOLVERS, Velocity
from .given import Given, GivenLatents, encode_given
from .latents import AVLatents, Conditioning, draw_noise, latent_shapes
from .model.jova import JoVA
from .prompt import Prompt
from .timeline import Timeline
from .vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """Settings of sampling. Defaults are ours."""

    steps: int = 30
    solver: str = "euler"
    cfg_video: float = 2.0
    cfg_audio: float = 3.0
    # Noise levels with guidance (arXiv 2404.07724); a step without any costs one pass instead of
    # two.
    cfg_video_range: tuple[float, float] = (0.0, 1.0)
    cfg_audio_range: tuple[float, float] = (0.0, 1.0)
    # Guides audio alone against the audio branch without prompt and pictures, a pass over its
    # tokens only, in steps without guidance of the video.
    cfg_audio_alone: bool = False
    cache: float = 0.0  # see flow.cache; 0 computes every step
    shift: float | None = None  # None: the checkpoint's
    seed: int = 0

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise JoVAError(f"The solver {self.solver!r} is unknown; use {', '.join(SOLVERS)}.")
        for name in ("cfg_video", "cfg_audio"):
            if not 0 <= getattr(self, name) <= 30:
                raise JoVAError(f"{name} is {getattr(self, name)}; give a scale from 0 to 30.")
        for name in ("cfg_video_range", "cfg_audio_range"):
            low, high = getattr(self, name)
            if not 0 <= low <= high <= 1:
                raise JoVAError(f"{name} is {low:g} to {high:g}; give two rising values, 0 to 1.")
        if not 0 <= self.cache < 1:
            raise JoVAError(f"cache is {self.cache:g}; give a change from 0 (off) to below 1.")
        if self.shift is not None and not 0 < self.shift <= 100:
            raise JoVAError(f"shift is {self.shift}; give a value above 0, at most 100.")
        if not 0 <= self.seed < 2**63:
            raise JoVAError(f"The seed is {self.seed}; give a value from 0 to 2^63 - 1.")

    def sigmas(self, config: JoVAConfig) -> Tensor:
        """The noise levels of sampling a checkpoint."""
        return simple_sigmas(self.steps, config.shift if self.shift is None else self.shift)

    def scales(self, sigma: float) -> tuple[float, float]:
        """Guidance scales of video and audio at a noise level; 1 is none."""
        pairs = (
            (self.cfg_video, self.cfg_video_range),
            (self.cfg_audio, self.cfg_audio_range),
        )
        video, audio = (scale if low <= sigma <= high else 1.0 for scale, (low, high) in pairs)
        return video, audio


@dataclass(frozen=True, kw_only=True)
class JoVAPipeline:
    """A loaded JoVA with its codecs and its text encoders, in the order of its config.

    vocabulary: the words of its training, for models with a closed list.
    """

    model: JoVA
    codecs: Codecs
    encoders: tuple[TextEncoder, ...]
    vocabulary: Vocabulary | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> JoVAConfig:
        """The checkpoint's config."""
        return self.model.config

    @property
    def timeline(self) -> Timeline:
        """The checkpoint's rates."""
        return Timeline.of(self.config)


def clip_frames(timeline: Timeline, seconds: float) -> int:
    """The legal frame count nearest to `seconds`. JoVAError above the model's maximum."""
    if seconds > timeline.max_seconds:
        limit = timeline.max_seconds
        raise JoVAError(f"A clip of {seconds:g} s is too long; give at most {limit:g} s.")
    return timeline.legal_frames(seconds)


@torch.inference_mode()
def sample(
    pipeline: JoVAPipeline,
    prompt: Prompt,
    frames: int,
    settings: SampleSettings,
    *,
    given: Given | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AVLatents:
    """Normalised latents `[1, C, T, h, w]` and `[1, C_a, L]` of a clip of a legal frame count.

    Given media stay as they are, the rest is generated to match; a lead of them comes on top of the
    frames. `progress(step, steps)` is called
    before each step. The same seed gives the same noise on any machine and the same latents on one
    machine with the same thread count.
    """
    config, given = pipeline.config, given or Given()
    frames += given.lead
    clean = encode_given(config, pipeline.codecs, frames, given)
    noise = draw_noise(*latent_shapes(config, frames, **clean.size(config)), settings.seed)
    image, mask = clean.pictures(noise.video)
    text = tuple(encoder.encode([prompt, Prompt()]) for encoder in pipeline.encoders)
    velocity: Velocity = GuidedVelocity(
        model=pipeline.model,
        settings=settings,
        conditioning=Conditioning(text=text, image=image.repeat(2, 1, 1, 1, 1), image_mask=mask),
        given=clean,
        noise=noise,
    )
    if settings.cache:
        velocity = StepCache(velocity, settings.cache)

    def callback(step: int, _x: AVLatents, _x0: AVLatents) -> None:
        if progress is not None:
            progress(step + 1, settings.steps)

    start = clean.put_into(noise)
    return SOLVERS[settings.solver](velocity, start, settings.sigmas(config), callback)


@dataclass(frozen=True, kw_only=True)
class GuidedVelocity:
    """The guided velocity of one clip, as solvers call it; what is given is held."""

    model: JoVA
    settings: SampleSettings
    conditioning: Conditioning  # the prompt's text, then the empty one's: [2, S, width]
    given: GivenLatents
    noise: AVLatents

    def __call__(self, x: AVLatents, sigma: float) -> AVLatents:
        video_scale, audio_scale = self.settings.scales(sigma)
        if video_scale == audio_scale == 1:
            guided = self._predict(x, sigma, 1)
        elif video_scale == 1 and self.settings.cfg_audio_alone:
            guided = self._audio_guided_alone(x, sigma, audio_scale)
        else:
            out = self._predict(x, sigma, 2)
            cond, uncond = out.map(lambda v: v[:1]), out.map(lambda v: v[1:])
            scales = {"video_scale": video_scale, "audio_scale": audio_scale}
            guided = classifier_free(cond, uncond, **scales)
        return self.given.hold(guided, self.noise)

    def _audio_guided_alone(self, x: AVLatents, sigma: float, scale: float) -> AVLatents:
        """The prompt's velocity, its audio guided against audio without prompt and pictures."""
        cond = self._predict(x, sigma, 1)
        time = self._audio_time(sigma, 1)
        empty = tuple(text[1:] for text in self.conditioning.text)
        alone = self.model(AVLatents(audio=x.audio), time, time, Conditioning(text=empty))
        return AVLatents(video=cond.video, audio=torch.lerp(alone.audio, cond.audio, scale))

    def _predict(self, x: AVLatents, sigma: float, count: int) -> AVLatents:
        both = self.conditioning
        return self.model(
            x.map(lambda part: torch.cat([part] * count)),
            (1000 * sigma * (~self.given.frames).float())[None].repeat(count, 1),
            self._audio_time(sigma, count),
            replace(both, text=tuple(t[:count] for t in both.text), image=both.image[:count]),
        )

    def _audio_time(self, sigma: float, count: int) -> Tensor:
        return (1000 * sigma * self.given.made_audio).repeat(count, 1).squeeze(1)
