"""From a prompt to a clip: text, noise, solver, codecs. The one place that knows all of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .codecs.checkpoint import MiniCodecs, load_codecs
from .codecs.pixels import to_frames, to_video
from .codecs.text import MiniTextEncoder
from .config import JoVAConfig, JoVAError
from .flow.cache import StepCache
from .flow.guidance import classifier_free
from .flow.schedule import simple_sigmas
from .flow.solvers import SOLVERS
from .kernels import fast_fp32
from .latents import AVLatents, Conditioning, denormalise, draw_noise, latent_shapes, normalise
from .media import FrameStream
from .model.checkpoint import load_jova
from .model.jova import JoVA
from .prompt import Prompt, Vocabulary
from .timeline import Timeline

WEIGHTS = Path(__file__).parent / "weights"
MINI, MINI_CODECS = WEIGHTS / "jova_mini.safetensors", WEIGHTS / "jova_mini_codecs.safetensors"
# Ours: five times the longest clip that the mini was trained on.
MAX_SECONDS = 20.0
# Latents decoded at a time: 4 of video (16 frames), 128 of sound (4 s). Ours.
PIECE, SOUND_PIECE = 4, 128


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
class Given:
    """What the user gives: a picture uint8 `[H, W, 3]`, sound `[N]` or a video `[F, H, W, 3]`.

    Pictures have the clip's size; sound is mono at the checkpoint's rate.
    """

    image: Tensor | None = None
    audio: Tensor | None = None
    video: Tensor | None = None

    def __post_init__(self) -> None:
        if self.audio is not None and self.video is not None:
            raise JoVAError("Both sound and video are given, so nothing is left to make; give one.")
        if self.image is not None and self.video is not None:
            raise JoVAError("Both a picture and a video are given; give one of them.")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A finished clip: uint8 frames `[F, H, W, 3]`, mono sound `[N]` in [-1, 1], its latents."""

    frames: Tensor
    audio: Tensor
    latents: AVLatents


@dataclass(frozen=True, kw_only=True)
class JoVAPipeline:
    """A loaded JoVA with its codecs and text encoder."""

    model: JoVA
    codecs: MiniCodecs
    encoder: MiniTextEncoder
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> JoVAConfig:
        """The checkpoint's config."""
        return self.model.config

    @property
    def timeline(self) -> Timeline:
        """The checkpoint's rates."""
        return Timeline.of(self.config)

    @property
    def vocabulary(self) -> Vocabulary:
        """The words this checkpoint was trained on."""
        return self.encoder.vocabulary


def load_pipeline(checkpoint: Path | None = None, codecs: Path | None = None) -> JoVAPipeline:
    """The bundled JoVA-mini, or the given files, in fp32 on the CPU."""
    checkpoint, codecs = checkpoint or MINI, codecs or MINI_CODECS
    loaded, loaded_codecs = load_jova(checkpoint), load_codecs(codecs)
    if "vocabulary" not in loaded.notes:
        raise JoVAError(
            f"{checkpoint} carries no vocabulary, so its prompts cannot be encoded; "
            "give a checkpoint that `jova train` wrote."
        )
    if not loaded_codecs.stats.fit(loaded.config):
        raise JoVAError(
            f"{checkpoint} was not trained with the codecs {codecs}: their latent statistics "
            "differ; give the codecs that encoded its data."
        )
    vocabulary = Vocabulary.from_dict(loaded.notes["vocabulary"])
    return JoVAPipeline(
        model=loaded.model(),
        codecs=loaded_codecs,
        encoder=MiniTextEncoder.of(loaded.config, vocabulary),
        notes=loaded.notes,
    )


def clip_frames(timeline: Timeline, seconds: float) -> int:
    """The legal frame count nearest to `seconds`. Raises JoVAError outside 0 … 20 s."""
    if seconds > MAX_SECONDS:
        raise JoVAError(
            f"A clip of {seconds:g} s is too long; this model makes up to {MAX_SECONDS:g} s."
        )
    return timeline.legal_frames(seconds)


@torch.inference_mode()
def generate(
    pipeline: JoVAPipeline,
    prompt: Prompt,
    frames: int,
    settings: SampleSettings,
    *,
    given: Given | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Clip:
    """Sample a clip of a legal frame count; what is given is kept and the rest made to fit it.

    `progress(step, steps)` is called before each step. The same seed gives the same noise on any
    machine and the same latents on one machine with the same thread count.
    """
    with fast_fp32():
        latents = sample(pipeline, prompt, frames, settings, given=given, progress=progress)
        return decode(pipeline, latents, frames)


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
    """`generate` up to the normalised latents `[1, C, T, h, w]` and `[1, C_a, L]`."""
    start = _encode(pipeline, frames, given or Given())
    return _sample(pipeline, prompt, frames, settings, start=start, progress=progress)


@dataclass(frozen=True, kw_only=True)
class _Start:
    """Normalised latents of what is given, and per latent frame whether it is."""

    known: AVLatents
    video_given: Tensor  # bool [T]
    audio_given: bool
    image: bool


def _encode(pipeline: JoVAPipeline, frames: int, given: Given) -> _Start:
    line, codecs = pipeline.timeline, pipeline.codecs
    video_given = torch.zeros(line.video_latents(frames), dtype=torch.bool)
    video = audio = None
    pictures = given.video if given.image is None else given.image[None]
    if pictures is not None:
        count = 1 if given.video is None else frames
        if len(pictures) < count:
            raise JoVAError(
                f"The given video has {len(pictures)} frames, the clip {frames}; ask for less."
            )
        video = codecs.video.encode(to_video(pictures[:count]))
        video_given[: video.shape[2]] = True
    if given.audio is not None:
        samples = line.audio_samples(frames)
        wave = torch.nn.functional.pad(given.audio, (0, max(0, samples - len(given.audio))))
        audio = codecs.audio.encode(wave[None, :samples])[..., : line.audio_latents(frames)]
    known = normalise(pipeline.config, AVLatents(video=video, audio=audio))
    return _Start(
        known=known,
        video_given=video_given,
        audio_given=audio is not None,
        image=given.image is not None,
    )


@dataclass(frozen=True, kw_only=True)
class _Velocity:
    """The guided velocity of one clip, as solvers call it; what is given does not move."""

    model: JoVA
    settings: SampleSettings
    conditioning: Conditioning  # the prompt's text, then the empty one's: [2, S, width]
    made_video: Tensor  # 1 or 0 for each latent frame, [T]
    made_audio: float

    def __call__(self, x: AVLatents, sigma: float) -> AVLatents:
        video_scale, audio_scale = self.settings.scales(sigma)
        if video_scale == audio_scale == 1:
            guided = self._predict(x, sigma, 1)
        elif video_scale == 1 and self.settings.cfg_audio_alone:
            guided = self._guided_by_the_voice_alone(x, sigma, audio_scale)
        else:
            out = self._predict(x, sigma, 2)
            guided = classifier_free(
                out.map(lambda v: v[:1]),
                out.map(lambda v: v[1:]),
                video_scale=video_scale,
                audio_scale=audio_scale,
            )
        moves = self.made_video.view(1, 1, -1, 1, 1)
        return AVLatents(video=guided.video * moves, audio=guided.audio * self.made_audio)

    def _guided_by_the_voice_alone(self, x: AVLatents, sigma: float, scale: float) -> AVLatents:
        """The prompt's velocity, its sound led away from that of a voice without prompt or face."""
        cond = self._predict(x, sigma, 1)
        time = torch.full((1,), 1000 * sigma * self.made_audio)
        empty = tuple(text[1:] for text in self.conditioning.text)
        alone = self.model(AVLatents(audio=x.audio), time, time, Conditioning(text=empty))
        return AVLatents(video=cond.video, audio=torch.lerp(alone.audio, cond.audio, scale))

    def _predict(self, x: AVLatents, sigma: float, count: int) -> AVLatents:
        both = self.conditioning
        return self.model(
            x.map(lambda part: torch.cat([part] * count)),
            (1000 * sigma * self.made_video)[None].repeat(count, 1),
            torch.full((count,), 1000 * sigma * self.made_audio),
            replace(both, text=(both.text[0][:count],), image=both.image[:count]),
        )


def _sample(
    pipeline: JoVAPipeline,
    prompt: Prompt,
    frames: int,
    settings: SampleSettings,
    *,
    start: _Start,
    progress: Callable[[int, int], None] | None,
) -> AVLatents:
    config = pipeline.config
    size = _size(pipeline, start)
    shapes = latent_shapes(config, frames, height=size[0], width=size[1])
    text = pipeline.encoder.encode([prompt, Prompt()])
    image, mask = torch.zeros(shapes[0]), torch.zeros(1, 1, *shapes[0][2:])
    if start.image:
        image[:, :, :1], mask[:, :, :1] = start.known.video, 1
    velocity = _Velocity(
        model=pipeline.model,
        settings=settings,
        conditioning=Conditioning(text=(text,), image=image.repeat(2, 1, 1, 1, 1), image_mask=mask),
        made_video=(~start.video_given).float(),
        made_audio=0.0 if start.audio_given else 1.0,
    )

    if settings.cache:
        velocity = StepCache(velocity, settings.cache)

    def report(step: int, _x: AVLatents, _x0: AVLatents) -> None:
        if progress is not None:
            progress(step + 1, settings.steps)

    sigmas = simple_sigmas(
        settings.steps, config.shift if settings.shift is None else settings.shift
    )
    x = _keep_known(draw_noise(*shapes, settings.seed), start)
    return SOLVERS[settings.solver](velocity, x, sigmas, report)


def _size(pipeline: JoVAPipeline, start: _Start) -> tuple[int, int]:
    """Height and width in pixels: those of the given picture, else the trained ones."""
    video, spec = start.known.video, pipeline.config.video
    if video is None:
        return spec.height, spec.width
    return video.shape[3] * spec.spatial_ratio, video.shape[4] * spec.spatial_ratio


def _keep_known(noise: AVLatents, start: _Start) -> AVLatents:
    video, audio = noise.video, noise.audio
    if start.known.video is not None:
        video = video.clone()
        video[:, :, start.video_given] = start.known.video
    return AVLatents(video=video, audio=start.known.audio if start.audio_given else audio)


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """A clip while it is decoded: pieces of uint8 frames `[n, H, W, 3]` in turn, and its sound."""

    frames: FrameStream
    audio: Tensor


def decode_stream(
    pipeline: JoVAPipeline, latents: AVLatents, frames: int, *, piece: int = PIECE
) -> Decoding:
    """Latents as sampled → their clip, `piece` video latents at a time, while it is written.

    The video codec looks back only, so nothing is decoded twice and memory does not grow with the
    clip. Half of the CPU's threads are left to who takes the pictures. Raises JoVAError for video
    latents with NaN or infinity; a sound with NaN stays one, so that the pictures can be saved.
    """
    raw = _raw(pipeline, latents, "video")
    ratio = pipeline.config.video.spatial_ratio
    pictures = FrameStream(
        count=frames,
        height=raw.video.shape[3] * ratio,
        width=raw.video.shape[4] * ratio,
        chunks=_pictures(pipeline, raw.video, piece),
    )
    return Decoding(frames=pictures, audio=_sound(pipeline, raw.audio, frames))


def decode(pipeline: JoVAPipeline, latents: AVLatents, frames: int) -> Clip:
    """Latents as sampled → a clip whose sound lasts exactly as long as its `frames` pictures."""
    raw = _raw(pipeline, latents, "video", "audio")
    with torch.inference_mode():
        pictures = to_frames(pipeline.codecs.video.decode(raw.video))
    return Clip(frames=pictures, audio=_sound(pipeline, raw.audio, frames), latents=latents)


def _raw(pipeline: JoVAPipeline, latents: AVLatents, *checked: str) -> AVLatents:
    raw = denormalise(pipeline.config, latents)
    for name in checked:
        if not torch.isfinite(getattr(raw, name)).all():
            raise JoVAError(f"The {name} latents hold NaN or infinity; lower the guidance scale.")
    return raw


def _pictures(pipeline: JoVAPipeline, latents: Tensor, piece: int) -> Iterator[Tensor]:
    runs = pipeline.codecs.video.decode_stream(latents.split(piece, dim=2))
    threads = torch.get_num_threads()
    while True:
        # Only while something is computed: the caller's own modes hold between two pieces. Idle
        # threads of torch spin, so all of them would keep an encoder from its work.
        torch.set_num_threads(max(1, threads // 2))
        try:
            with torch.inference_mode(), fast_fp32():
                video = next(runs, None)
                if video is None:
                    return
                made = to_frames(video)
        finally:
            torch.set_num_threads(threads)
        yield made


@torch.inference_mode()
def _sound(pipeline: JoVAPipeline, latents: Tensor, frames: int) -> Tensor:
    wave = torch.cat(list(pipeline.codecs.audio.decode_stream(latents, chunk=SOUND_PIECE)), dim=1)
    return wave[0, : pipeline.timeline.audio_samples(frames)].clamp(-1, 1)
