"""From a prompt to latents: text, what is given, noise, guidance, solver."""

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
from .given import Given, encode_given
from .latents import AVLatents, Conditioning, draw_noise, latent_shapes
from .model.jova import JoVA
from .prompt import Prompt
from .timeline import Timeline
from .vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """How a clip is sampled. Defaults are ours."""

    steps: int = 30
    solver: str = "euler"
    cfg_video: float = 2.0
    cfg_audio: float = 3.0
    # Noise levels between which guidance applies (arXiv 2404.07724); where it applies to neither
    # stream, a step costs one pass instead of two.
    cfg_video_range: tuple[float, float] = (0.0, 1.0)
    cfg_audio_range: tuple[float, float] = (0.0, 1.0)
    # Where only the sound is guided, against what the audio branch predicts without prompt and
    # without the pictures: a pass over its tokens alone.
    cfg_audio_alone: bool = False
    cache: float = 0.0  # see flow.cache; 0 computes every step
    shift: float | None = None  # None: the checkpoint's
    seed: int = 0

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise JoVAError(f"The solver {self.solver!r} is unknown; use {' or '.join(SOLVERS)}.")
        for name in ("cfg_video", "cfg_audio"):
            if not 0 <= getattr(self, name) <= 30:
                raise JoVAError(f"{name} is {getattr(self, name)}; give a scale from 0 to 30.")
        for name in ("cfg_video_range", "cfg_audio_range"):
            low, high = getattr(self, name)
            if not 0 <= low <= high <= 1:
                raise JoVAError(f"{name} is {low:g} to {high:g}; give two rising values of 0 to 1.")
        if not 0 <= self.cache < 1:
            raise JoVAError(f"cache is {self.cache:g}; give a change from 0 (off) to below 1.")
        if self.shift is not None and not 0 < self.shift <= 100:
            raise JoVAError(f"shift is {self.shift}; give one above 0 and up to 100.")
        if not 0 <= self.seed < 2**63:
            raise JoVAError(f"The seed {self.seed} is out of range; give one from 0 to 2^63 - 1.")

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

    vocabulary: the words it was trained on, where they are a closed list.
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
    """The legal frame count nearest to `seconds`. Raises JoVAError outside what the model makes."""
    if seconds > timeline.max_seconds:
        limit = timeline.max_seconds
        raise JoVAError(f"A clip of {seconds:g} s is too long; this model makes up to {limit:g} s.")
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

    What is given is kept and the rest made to match it. `progress(step, steps)` is called before
    each step. The same seed gives the same noise on any machine and the same latents on one machine
    with the same thread count.
    """
    config = pipeline.config
    known = encode_given(config, pipeline.codecs, frames, given or Given())
    video, audio = latent_shapes(config, frames, **known.size(config))
    image, mask = torch.zeros(video), torch.zeros(1, 1, *video[2:])
    if known.image:
        image[:, :, :1], mask[:, :, :1] = known.latents.video, 1
    text = tuple(encoder.encode([prompt, Prompt()]) for encoder in pipeline.encoders)
    velocity: Velocity = GuidedVelocity(
        model=pipeline.model,
        settings=settings,
        conditioning=Conditioning(text=text, image=image.repeat(2, 1, 1, 1, 1), image_mask=mask),
        free_video=(~known.video_given).float(),
        free_audio=0.0 if known.audio_given else 1.0,
    )
    if settings.cache:
        velocity = StepCache(velocity, settings.cache)

    def callback(step: int, _x: AVLatents, _x0: AVLatents) -> None:
        if progress is not None:
            progress(step + 1, settings.steps)

    shift = config.shift if settings.shift is None else settings.shift
    sigmas = simple_sigmas(settings.steps, shift)
    x = known.put_into(draw_noise(video, audio, settings.seed))
    return SOLVERS[settings.solver](velocity, x, sigmas, callback)


@dataclass(frozen=True, kw_only=True)
class GuidedVelocity:
    """The guided velocity of one clip, as solvers call it; what is given does not move."""

    model: JoVA
    settings: SampleSettings
    conditioning: Conditioning  # the prompt's text, then the empty one's: [2, S, width]
    free_video: Tensor  # 0 for each latent frame that is given, else 1, [T]
    free_audio: float  # 0 where the audio is given, else 1

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
        free = self.free_video.view(1, 1, -1, 1, 1)
        return AVLatents(video=guided.video * free, audio=guided.audio * self.free_audio)

    def _audio_guided_alone(self, x: AVLatents, sigma: float, scale: float) -> AVLatents:
        """The prompt's velocity, its sound led away from that of a voice without prompt or face."""
        cond = self._predict(x, sigma, 1)
        time = torch.full((1,), 1000 * sigma * self.free_audio)
        empty = tuple(text[1:] for text in self.conditioning.text)
        alone = self.model(AVLatents(audio=x.audio), time, time, Conditioning(text=empty))
        return AVLatents(video=cond.video, audio=torch.lerp(alone.audio, cond.audio, scale))

    def _predict(self, x: AVLatents, sigma: float, count: int) -> AVLatents:
        both = self.conditioning
        return self.model(
            x.map(lambda part: torch.cat([part] * count)),
            (1000 * sigma * self.free_video)[None].repeat(count, 1),
            torch.full((count,), 1000 * sigma * self.free_audio),
            replace(both, text=tuple(t[:count] for t in both.text), image=both.image[:count]),
        )
