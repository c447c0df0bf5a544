"""Training of the two mini codecs, and of their decoders alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ...codecs import LatentStats
from ...media.pixels import to_video
from . import MiniAudioCodec, MiniVideoCodec, load_codecs, save_codecs
from .adversary import Critic
from .clips import CodecClips, open_clips
from .forms import FORMS, CodecForm
from .loop import Run, finished_codec, train_codec
from .losses import audio_loss, video_loss
from .pca_init import start_audio, start_video

# The share of an audio run from scratch after which the critic joins: first the spectra must be
# right.
CRITIC_FROM = 0.3
AUDIO_CROP = 16384  # samples


def train_video_codec(
    dataset_root: Path | str,
    out: Path | str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    batch: int = 6,
    lr: float = 1.5e-3,
    seed: int = 0,
    form: CodecForm = FORMS["mini"],
    latents: int = 3,
    init_from: Path | str | None = None,
    compiled: bool = True,
    resume: bool = False,
    device: str = "cpu",
    ahead: int = 0,
    dtype: str = "fp32",
) -> MiniVideoCodec:
    """Train the video codec on crops of `latents` latents and write its EMA to `out`.

    With `resume` an unfinished run of the same settings goes on, a finished one is only loaded.
    """
    given = {"minutes": minutes, "steps": steps, "batch": batch, "lr": lr, "seed": seed}
    on = {"device": device, "ahead": ahead, "dtype": dtype}
    run = Run(out=Path(out), resume=resume, **on, **given)
    if run.finished:
        return finished_codec(MiniVideoCodec(form.video), run)
    clips = open_clips(dataset_root)
    torch.manual_seed(seed)
    codec = MiniVideoCodec(form.video)
    start, frames = np.random.default_rng((seed, 0x9CA)), 4 * (latents - 1) + 1
    start_video(
        codec, torch.stack([clips.video_crop(start, form.crop, frames)[0] for _ in range(150)])
    )
    if init_from is not None:
        codec.load_state_dict(load_file(init_from))
    loss = partial(video_loss, edge_weight=form.edge_weight)
    return train_codec(
        codec, loss, _video_batches(clips, batch, form.crop, frames), run, compiled=compiled
    )


def tune_decoders(
    dataset_root: Path | str,
    codecs_path: Path | str,
    out: Path | str,
    *,
    video: Mapping[str, float] | None = None,
    audio: Mapping[str, float] | None = None,
    latent_noise: float = 0.2,
    flicker_weight: float = 0.2,
    critic: bool = False,
    seed: int = 0,
    compiled: bool = True,
    **on: Any,
) -> None:
    """Train the decoders alone and write the codecs to `out`: latents keep their meaning.

    video, audio: {"minutes": …} or {"steps": …}; without, that decoder stays. With more noise on
    the video latents than in the codec's own training, and a weight on changes of the error from
    frame to frame, it learns steady pictures from a sampler's imperfect latents. critic, and the
    device, `ahead`, `dtype` and `resume` of `on`: as for the codecs themselves.
    """
    codecs, clips = load_codecs(codecs_path), open_clips(dataset_root)
    common = {"seed": seed, **on}
    if video is not None:
        form = next((f for f in FORMS.values() if f.video.name == codecs.video.name), FORMS["mini"])
        codecs.video.encoder.requires_grad_(False)
        codecs.video.decoder.requires_grad_(True)
        run = Run(out=part_path(out, "video"), batch=6, lr=8e-4, **video, **common)
        sample = _video_batches(clips, run.batch, form.crop, 9)
        weights = {"flicker_weight": flicker_weight, "edge_weight": form.edge_weight}
        loss = partial(video_loss, latent_noise=latent_noise, **weights)
        trained = train_codec(codecs.video, loss, sample, run, compiled=compiled)
        codecs = replace(codecs, video=trained)
    if audio is not None:
        for part in (codecs.audio.stem, codecs.audio.decoder, codecs.audio.head):
            part.requires_grad_(True)
        run = Run(out=part_path(out, "audio"), batch=12, lr=8e-4, **audio, **common)
        judge = {"critic": Critic(seed) if critic else None}
        sample = _audio_batches(clips, run.batch, AUDIO_CROP)
        trained = train_codec(codecs.audio, audio_loss, sample, run, compiled=compiled, **judge)
        codecs = replace(codecs, audio=trained)
    save_codecs(out, codecs.video, codecs.audio, codecs.stats)


def part_path(out: Path | str, kind: str) -> Path:
    """Where the video or the audio codec of `out` is kept while they are trained."""
    return Path(out).with_suffix(f".{kind}.safetensors")


def train_audio_codec(
    dataset_root: Path | str,
    out: Path | str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    batch: int = 12,
    lr: float = 1e-3,
    seed: int = 0,
    crop: int = AUDIO_CROP,
    form: CodecForm = FORMS["mini"],
    critic: bool = False,
    init_from: Path | str | None = None,
    compiled: bool = True,
    resume: bool = False,
    device: str = "cpu",
    ahead: int = 0,
    dtype: str = "fp32",
) -> MiniAudioCodec:
    """Train the audio codec on crops of `crop` samples (whole latents); write its EMA to `out`.

    With a critic the later part of the run is adversarial, which takes buzz and blur away. `resume`
    as for the video codec.
    """
    given = {"minutes": minutes, "steps": steps, "batch": batch, "lr": lr, "seed": seed}
    on = {"device": device, "ahead": ahead, "dtype": dtype}
    run = Run(out=Path(out), resume=resume, **on, **given)
    if run.finished:
        return finished_codec(MiniAudioCodec(form.audio), run)
    clips = open_clips(dataset_root)
    torch.manual_seed(seed)
    codec = MiniAudioCodec(form.audio)
    start = np.random.default_rng((seed, 0x9CA))
    start_audio(codec, torch.stack([clips.wave(start, crop) for _ in range(300)]))
    sample = _audio_batches(clips, batch, crop)
    if init_from is not None:
        codec.load_state_dict(load_file(init_from))
    judge = Critic(seed) if critic else None
    joins = 0.0 if init_from is not None else CRITIC_FROM
    return train_codec(
        codec, audio_loss, sample, run, compiled=compiled, critic=judge, critic_from=joins
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


def _video_batches(
    clips: CodecClips, batch: int, crop: int, frames: int
) -> Callable[[np.random.Generator], tuple[Tensor, ...]]:
    """A sampler of batches of crops `[B, 3, F, crop, crop]` and their weights."""

    def sample(rng: np.random.Generator) -> tuple[Tensor, ...]:
        crops = [clips.video_crop(rng, crop, frames) for _ in range(batch)]
        return tuple(torch.stack(part) for part in zip(*crops, strict=True))

    return sample


def _audio_batches(
    clips: CodecClips, batch: int, crop: int
) -> Callable[[np.random.Generator], tuple[Tensor, ...]]:
    """A sampler of batches of pieces `[B, crop]`."""

    def sample(rng: np.random.Generator) -> tuple[Tensor]:
        return (torch.stack([clips.wave(rng, crop) for _ in range(batch)]),)

    return sample
