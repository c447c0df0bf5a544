"""Training of the two mini codecs: one plain loop each, boxed by time or steps.

Batches are functions of (seed, step). With `minutes` the learning rate follows the clock, so the
run always ends annealed; with `steps` it follows the step and a run can be repeated exactly.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ...codecs import LatentStats
from ...errors import JoVAError
from ...files import write_tensors
from ...media.pixels import to_video
from . import MiniAudioCodec, MiniVideoCodec, load_codecs, save_codecs
from .adversary import Critic
from .clips import CodecClips, open_clips
from .forms import FORMS, CodecForm
from .losses import audio_loss, video_loss
from .pca_init import start_audio, start_video
from .resume import CodecRun

# The share of an audio run after which the critic joins: first the spectra must be right.
CRITIC_FROM = 0.3
# Steps between two states on disk.
SAVE_EVERY = 200


@dataclass(frozen=True, kw_only=True)
class Run:
    """Length, rate and output of a run; give one of `minutes` (wall clock) and `steps`."""

    out: Path
    minutes: float | None = None
    steps: int | None = None
    batch: int
    lr: float
    seed: int = 0
    warmup: int = 100
    log_every: int = 50
    resume: bool = False

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise JoVAError(
                f"Got minutes {self.minutes} and steps {self.steps}; give either minutes or steps."
            )

    @property
    def log(self) -> Path:
        """The JSON lines beside `out`."""
        return self.out.with_suffix(".jsonl")

    @property
    def state(self) -> Path:
        """Where the run's state is kept until it ends."""
        return self.out.with_suffix(".state.safetensors")

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to resume: its result is there and no state."""
        return self.resume and self.out.exists() and not self.state.exists()

    def fraction(self, step: int, seconds: float) -> float:
        """The fraction of the run after so many steps and seconds, in [0, 1]."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        return min(1.0, seconds / (60 * self.minutes))


def train_video_codec(
    dataset_root: Path | str,
    out: Path | str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    batch: int = 6,
    lr: float = 7e-4,
    seed: int = 0,
    form: CodecForm = FORMS["mini"],
    latents: int = 3,
    init_from: Path | str | None = None,
    compiled: bool = True,
    resume: bool = False,
) -> MiniVideoCodec:
    """Train the video codec on crops of `latents` latents and write its EMA to `out`.

    With `resume` an unfinished run of the same settings goes on, a finished one is only loaded.
    """
    given = {"minutes": minutes, "steps": steps, "batch": batch, "lr": lr, "seed": seed}
    run = Run(out=Path(out), resume=resume, **given)
    if run.finished:
        return _finished(MiniVideoCodec(form.video), run)
    clips = open_clips(dataset_root)
    torch.manual_seed(seed)
    codec = MiniVideoCodec(form.video)
    start, count = np.random.default_rng((seed, 0x9CA)), 4 * (latents - 1) + 1
    start_video(
        codec, torch.stack([clips.video_crop(start, form.crop, count)[0] for _ in range(150)])
    )
    if init_from is not None:
        codec.load_state_dict(load_file(init_from))
    return _train(
        codec, video_loss, _video_batches(clips, batch, form.crop, count), run, compiled=compiled
    )


def tune_video_decoder(
    dataset_root: Path | str,
    codecs_path: Path | str,
    out: Path | str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    latent_noise: float = 0.2,
    flicker_weight: float = 0.2,
    batch: int = 6,
    lr: float = 4e-4,
    seed: int = 0,
    latents: int = 3,
    compiled: bool = True,
) -> None:
    """Train the decoder alone and write the codecs to `out`: latents keep their meaning.

    With more noise on the latents than in the codec's own training, and a weight on changes of the
    error from frame to frame, it learns steady pictures from a sampler's imperfect latents.
    """
    codecs = load_codecs(codecs_path)
    weights = Path(out).with_suffix(".video.safetensors")
    run = Run(out=weights, minutes=minutes, steps=steps, batch=batch, lr=lr, seed=seed)
    codecs.video.encoder.requires_grad_(False)
    codecs.video.decoder.requires_grad_(True)
    crop = next((f.crop for f in FORMS.values() if f.video.name == codecs.video.name), 48)
    sample = _video_batches(open_clips(dataset_root), batch, crop, 4 * (latents - 1) + 1)
    loss = partial(video_loss, latent_noise=latent_noise, flicker_weight=flicker_weight)
    save_codecs(
        out, _train(codecs.video, loss, sample, run, compiled=compiled), codecs.audio, codecs.stats
    )


def train_audio_codec(
    dataset_root: Path | str,
    out: Path | str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    batch: int = 12,
    lr: float = 1e-3,
    seed: int = 0,
    crop: int = 16384,
    form: CodecForm = FORMS["mini"],
    critic: bool = False,
    init_from: Path | str | None = None,
    compiled: bool = True,
    resume: bool = False,
) -> MiniAudioCodec:
    """Train the audio codec on crops of `crop` samples (whole latents); write its EMA to `out`.

    With a critic the later part of the run is adversarial, which takes buzz and blur away. `resume`
    as for the video codec.
    """
    given = {"minutes": minutes, "steps": steps, "batch": batch, "lr": lr, "seed": seed}
    run = Run(out=Path(out), resume=resume, **given)
    if run.finished:
        return _finished(MiniAudioCodec(form.audio), run)
    clips = open_clips(dataset_root)
    torch.manual_seed(seed)
    codec = MiniAudioCodec(form.audio)
    start = np.random.default_rng((seed, 0x9CA))
    start_audio(codec, torch.stack([clips.wave(start, crop) for _ in range(300)]))

    def sample(rng: np.random.Generator) -> tuple[Tensor]:
        return (torch.stack([clips.wave(rng, crop) for _ in range(batch)]),)

    if init_from is not None:
        codec.load_state_dict(load_file(init_from))
    return _train(
        codec, audio_loss, sample, run, compiled=compiled, critic=Critic(seed) if critic else None
    )


def write_codecs(
    dataset_root: Path | str,
    video_weights: Path | str,
    audio_weights: Path | str,
    out: Path | str,
    *,
    form: CodecForm = FORMS["mini"],
    clips: int = 200,
) -> None:
    """Join two trained codecs into the file the program loads, with statistics of `clips` clips."""
    video, audio = MiniVideoCodec(form.video), MiniAudioCodec(form.audio)
    video.load_state_dict(load_file(video_weights))
    audio.load_state_dict(load_file(audio_weights))
    paths = open_clips(dataset_root).train
    paths = paths[:: max(1, len(paths) // clips)][:clips]
    save_codecs(out, video.eval(), audio.eval(), latent_stats(paths, video, audio))


@torch.inference_mode()
def latent_stats(
    paths: Sequence[Path], video: MiniVideoCodec, audio: MiniAudioCodec
) -> LatentStats:
    """Return per-channel mean and deviation of the latents of whole clips, in float64 sums."""
    latents: dict[str, list[Tensor]] = {"video": [], "audio": []}
    for path in paths:
        clip = load_file(path)
        latents["video"].append(video.encode(to_video(clip["frames"]))[0].flatten(1).double())
        latents["audio"].append(audio.encode(clip["audio"][None])[0].double())
    moments = {}
    for name, parts in latents.items():
        values = torch.cat(parts, 1)
        moments[f"{name}_mean"] = values.mean(1).float()
        moments[f"{name}_std"] = values.std(1).float()
    return LatentStats(**moments)


def _finished(codec: nn.Module, run: Run) -> nn.Module:
    codec.load_state_dict(load_file(run.out))
    return codec.eval()


def _train(
    codec: nn.Module,
    loss_of: Callable[..., tuple[Tensor, Tensor]],
    sample: Callable[[np.random.Generator], tuple[Tensor, ...]],
    run: Run,
    *,
    compiled: bool,
    critic: Critic | None = None,
) -> nn.Module:
    """Run the loop: AdamW, warm-up then cosine, clipped gradients, EMA; return the EMA codec."""
    codec.train()
    params = [p for p in codec.parameters() if p.requires_grad]
    average = [p.detach().clone() for p in params]
    optimizer = torch.optim.AdamW(params, lr=run.lr, betas=(0.9, 0.99), weight_decay=0.01)
    networks, optimizers = {"codec": codec}, {"optimizer": optimizer}
    if critic is not None:
        networks["critic"], optimizers["critic_optimizer"] = critic.parts, critic.optimizer
    kept = CodecRun(networks=networks, optimizers=optimizers, average=average)
    step, before = 0, 0.0
    if run.resume and run.state.exists():
        step, before = kept.load(run.state)
    step_loss = torch.compile(loss_of) if compiled else loss_of
    run.log.parent.mkdir(parents=True, exist_ok=True)
    # Compiling takes a minute or two; the clock starts after it.
    first = sample(np.random.default_rng((run.seed, 0)))
    step_loss(codec, _noise_like(codec, first[0], run.seed, 0), *first)
    started, sums = time.monotonic() - before, torch.zeros(3)
    with run.log.open("a" if step else "w", encoding="utf-8") as log:
        while (fraction := run.fraction(step, time.monotonic() - started)) < 1:
            batch = sample(np.random.default_rng((run.seed, step)))
            lr = run.lr * min(1, (step + 1) / run.warmup) * (1 + math.cos(math.pi * fraction)) / 2
            optimizer.param_groups[0]["lr"] = lr
            values, made = step_loss(codec, _noise_like(codec, batch[0], run.seed, step), *batch)
            loss, judged = values[0], critic is not None and fraction >= CRITIC_FROM
            if judged:
                loss = loss + critic.loss(made, batch[0])
            loss.backward()
            norm = float(nn.utils.clip_grad_norm_(params, 1.0))
            if not math.isfinite(norm):
                raise JoVAError(f"Gradient became NaN or infinite at step {step}; lower the rate.")
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if judged:
                told_apart = critic.learn(made, batch[0])
            torch._foreach_lerp_(average, params, 1 - min(0.998, (1 + step) / (10 + step)))
            sums += values.detach()
            step += 1
            if step % run.log_every == 0:
                row = {"step": step, "seconds": round(time.monotonic() - started, 1), "lr": lr}
                loss, error, moments = (sums / run.log_every).tolist()
                row |= {"loss": loss, "error": error, "moments": moments, "grad": norm}
                row |= {"critic": told_apart} if judged else {}
                log.write(json.dumps(row) + "\n")
                log.flush()
                sums.zero_()
            if step % SAVE_EVERY == 0:
                _save_average(codec, average, run.out)
                kept.save(run.state, step, time.monotonic() - started)
    averaged = _save_average(codec, average, run.out)
    run.state.unlink(missing_ok=True)
    return averaged


def _save_average(codec: nn.Module, average: list[Tensor], out: Path) -> nn.Module:
    """Write the averaged weights to `out` and return a codec that holds them."""
    averaged = type(codec)(codec.config)
    averaged.load_state_dict(codec.state_dict())
    with torch.no_grad():
        names = (name for name, p in codec.named_parameters() if p.requires_grad)
        for name, value in zip(names, average, strict=True):
            averaged.get_parameter(name).copy_(value)
    write_tensors(out, averaged.state_dict())
    return averaged.eval()


def _noise_like(codec: nn.Module, batch: Tensor, seed: int, step: int) -> Tensor:
    """Return unit noise of the latent's shape, a function of (seed, step)."""
    channels = codec.config.latent_channels
    if batch.ndim == 5:
        rows, _, frames, height, width = batch.shape
        shape = (rows, channels, (frames + 3) // 4, height // 8, width // 8)
    else:
        shape = (batch.shape[0], channels, -(-batch.shape[1] // codec.samples_per_latent))
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    return torch.randn(shape, generator=generator)


def _video_batches(
    clips: CodecClips, batch: int, crop: int, frames: int
) -> Callable[[np.random.Generator], tuple[Tensor, ...]]:
    """A sampler of batches of crops `[B, 3, F, crop, crop]` and their weights."""

    def sample(rng: np.random.Generator) -> tuple[Tensor, ...]:
        crops = [clips.video_crop(rng, crop, frames) for _ in range(batch)]
        return tuple(torch.stack(part) for part in zip(*crops, strict=True))

    return sample
