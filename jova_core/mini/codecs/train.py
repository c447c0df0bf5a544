"""Training and evaluation of the two mini codecs: one plain loop each, boxed by time or steps.

Batches are functions of (seed, step). With `minutes` the learning rate follows the clock, so the
run always ends annealed; with `steps` it follows the step and a run can be repeated exactly.
"""

import json
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from ...codecs import LatentStats
from ...errors import JoVAError
from ...files import write_tensors
from ...media.pixels import to_frames, to_video
from ..data.dataset import load_dataset
from . import MiniAudioCodec, MiniVideoCodec, load_codecs, save_codecs
from .losses import audio_loss, video_loss
from .pca_init import start_audio, start_video

# The mouth is one pixel in a hundred and what people look at.
MOUTH_WEIGHT = 6.0


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
    save_every: int = 200

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise JoVAError(
                f"Got minutes {self.minutes} and steps {self.steps}; give either minutes or steps."
            )

    @property
    def log(self) -> Path:
        """The JSON lines beside `out`."""
        return self.out.with_suffix(".jsonl")

    def fraction(self, step: int, started: float) -> float:
        """The fraction of the run so far, in [0, 1]."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        return min(1.0, (time.monotonic() - started) / (60 * self.minutes))


def train_video_codec(
    dataset_root: Path | str,
    out: Path | str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    batch: int = 6,
    lr: float = 7e-4,
    seed: int = 0,
    crop: int = 48,
    latents: int = 3,
    init_from: Path | str | None = None,
    compiled: bool = True,
) -> MiniVideoCodec:
    """Train the video codec on crops of `crop` px and `latents` latents; write its EMA to `out`."""
    run = Run(out=Path(out), minutes=minutes, steps=steps, batch=batch, lr=lr, seed=seed)
    paths = clip_paths(dataset_root, "train")
    torch.manual_seed(seed)
    codec = MiniVideoCodec()
    start = np.random.default_rng((seed, 0x9CA))
    count = 4 * (latents - 1) + 1
    start_video(codec, torch.stack([_video_crop(p, start, crop, count)[0] for p in paths[:150]]))

    if init_from is not None:
        codec.load_state_dict(load_file(init_from))
    return _train(codec, video_loss, _video_batches(paths, batch, crop, count), run, compiled)


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
    crop: int = 48,
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
    sample = _video_batches(clip_paths(dataset_root, "train"), batch, crop, 4 * (latents - 1) + 1)
    loss = partial(video_loss, latent_noise=latent_noise, flicker_weight=flicker_weight)
    save_codecs(out, _train(codecs.video, loss, sample, run, compiled), codecs.audio, codecs.stats)


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
    init_from: Path | str | None = None,
    compiled: bool = True,
) -> MiniAudioCodec:
    """Train the audio codec on crops of `crop` samples (whole latents); write its EMA to `out`."""
    run = Run(out=Path(out), minutes=minutes, steps=steps, batch=batch, lr=lr, seed=seed)
    paths = clip_paths(dataset_root, "train")
    torch.manual_seed(seed)
    codec = MiniAudioCodec()
    start = np.random.default_rng((seed, 0x9CA))
    start_audio(codec, torch.stack([_audio_crop(path, start, crop) for path in paths[:300]]))

    def sample(rng: np.random.Generator) -> tuple[Tensor]:
        chosen = [paths[i] for i in rng.integers(len(paths), size=batch)]
        return (torch.stack([_audio_crop(path, rng, crop) for path in chosen]),)

    if init_from is not None:
        codec.load_state_dict(load_file(init_from))
    return _train(codec, audio_loss, sample, run, compiled)


def evaluate_codecs(
    dataset_root: Path | str, codecs_path: Path | str, *, limit: int = 48
) -> dict[str, float | int]:
    """Return psnr, psnr_mouth (dB) and stoi of held-out clips after encode and decode.

    PSNR is of the squared error pooled over a clip, in 8-bit pictures, averaged over clips;
    STOI is pystoi's at 16 kHz, over each clip's whole audio; clips with less speech than its
    384 ms window have none and are left out (`stoi_clips` counts the others).
    """
    codecs = load_codecs(codecs_path)
    rows = []
    for path in clip_paths(dataset_root, "heldout")[:limit]:
        clip = load_file(path)
        with torch.inference_mode():
            decoded = to_frames(codecs.video.decode(codecs.video.encode(to_video(clip["frames"]))))
            wave = codecs.audio.decode(codecs.audio.encode(clip["audio"][None]))[0]
        error = (decoded.float() - clip["frames"].float()).square()
        mouth = mouth_mask(clip["mouth_box"], *error.shape[1:3])
        stoi = _stoi(clip["audio"], wave[: len(clip["audio"])])
        rows.append((_psnr(error), _psnr(error[mouth]), stoi))
    if not rows:
        raise JoVAError(f"{dataset_root} has no held-out clips; give a data set with some.")
    means, worst = np.nanmean(rows, axis=0), np.nanmin(rows, axis=0)
    names = ("psnr", "psnr_mouth", "stoi")
    figures = {name: float(value) for name, value in zip(names, means, strict=True)}
    figures |= {f"{name}_worst": float(v) for name, v in zip(names, worst, strict=True)}
    stoi_clips = int(np.isfinite(np.array(rows)[:, 2]).sum())
    return figures | {"clips": len(rows), "stoi_clips": stoi_clips}


def write_codecs(
    dataset_root: Path | str,
    video_weights: Path | str,
    audio_weights: Path | str,
    out: Path | str,
    *,
    clips: int = 200,
) -> None:
    """Join two trained codecs into the file the program loads, with statistics of `clips` clips."""
    video, audio = MiniVideoCodec(), MiniAudioCodec()
    video.load_state_dict(load_file(video_weights))
    audio.load_state_dict(load_file(audio_weights))
    paths = clip_paths(dataset_root, "train")
    paths = paths[:: max(1, len(paths) // clips)][:clips]
    save_codecs(out, video.eval(), audio.eval(), latent_stats(paths, video, audio))


@torch.inference_mode()
def latent_stats(paths: list[Path], video: MiniVideoCodec, audio: MiniAudioCodec) -> LatentStats:
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


def mouth_mask(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return bool `[F, H, W]`: the pixels touched by each frame's box `[F, 4]` (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = boxes[:, :, None, None].unbind(1)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None, :]
    inside_x = (columns + 1 > x0) & (columns < x1)
    return inside_x & (rows + 1 > y0) & (rows < y1)


def clip_paths(dataset_root: Path | str, split: str) -> list[Path]:
    """Return the files of a split of a `jova data make-mini` folder, in the index's order."""
    dataset = load_dataset(Path(dataset_root))
    chosen = [clip.id for clip in dataset.clips if clip.split == split]
    return [dataset.root / "clips" / f"{name}.safetensors" for name in chosen]


def _train(
    codec: nn.Module,
    loss_of: Callable[..., Tensor],
    sample: Callable[[np.random.Generator], tuple[Tensor, ...]],
    run: Run,
    compiled: bool,
) -> nn.Module:
    """Run the loop: AdamW, warm-up then cosine, clipped gradients, EMA; return the EMA codec."""
    codec.train()
    params = [p for p in codec.parameters() if p.requires_grad]
    average = [p.detach().clone() for p in params]
    optimizer = torch.optim.AdamW(params, lr=run.lr, betas=(0.9, 0.99), weight_decay=0.01)
    step_loss = torch.compile(loss_of) if compiled else loss_of
    run.log.parent.mkdir(parents=True, exist_ok=True)
    # Compiling takes a minute or two; the clock starts after it.
    first = sample(np.random.default_rng((run.seed, 0)))
    step_loss(codec, _noise_like(codec, first[0], run.seed, 0), *first)
    started, sums = time.monotonic(), torch.zeros(3)
    with run.log.open("w", encoding="utf-8") as log:
        for step, fraction in _steps(run, started):
            batch = sample(np.random.default_rng((run.seed, step)))
            lr = run.lr * min(1, (step + 1) / run.warmup) * (1 + math.cos(math.pi * fraction)) / 2
            optimizer.param_groups[0]["lr"] = lr
            values = step_loss(codec, _noise_like(codec, batch[0], run.seed, step), *batch)
            values[0].backward()
            norm = float(nn.utils.clip_grad_norm_(params, 1.0))
            if not math.isfinite(norm):
                raise JoVAError(f"Gradient became NaN or infinite at step {step}; lower the rate.")
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            torch._foreach_lerp_(average, params, 1 - min(0.998, (1 + step) / (10 + step)))
            sums += values.detach()
            if step % run.log_every == run.log_every - 1:
                row = {"step": step + 1, "seconds": round(time.monotonic() - started, 1), "lr": lr}
                loss, error, moments = (sums / run.log_every).tolist()
                row |= {"loss": loss, "error": error, "moments": moments, "grad": norm}
                log.write(json.dumps(row) + "\n")
                log.flush()
                sums.zero_()
            if step % run.save_every == run.save_every - 1:
                _save_average(codec, average, run.out)
    return _save_average(codec, average, run.out)


def _steps(run: Run, started: float) -> Iterator[tuple[int, float]]:
    step, fraction = 0, 0.0
    while fraction < 1:
        yield step, fraction
        step += 1
        fraction = run.fraction(step, started)


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
    paths: list[Path], batch: int, crop: int, frames: int
) -> Callable[[np.random.Generator], tuple[Tensor, ...]]:
    """A sampler of batches of crops `[B, 3, F, crop, crop]` and their weights."""

    def sample(rng: np.random.Generator) -> tuple[Tensor, ...]:
        chosen = [paths[i] for i in rng.integers(len(paths), size=batch)]
        crops = [_video_crop(path, rng, crop, frames) for path in chosen]
        return tuple(torch.stack(part) for part in zip(*crops, strict=True))

    return sample


def _video_crop(
    path: Path, rng: np.random.Generator, size: int, frames: int
) -> tuple[Tensor, Tensor]:
    """Return a crop `[3, frames, size, size]` in [-1, 1], half on the mouth, and weights."""
    with safe_open(path, framework="pt") as file:
        stored = file.get_slice("frames")
        count, height, width, _ = stored.get_shape()
        start = int(rng.integers(count - frames + 1))
        box = file.get_slice("mouth_box")[start : start + frames]
        top, left = (int(rng.integers(side - size + 1)) for side in (height, width))
        if rng.random() < 0.5:
            x0, y0, x1, y1 = box.mean(0).tolist()
            jitter = rng.integers(-size // 4, size // 4 + 1, size=2)
            top = int(np.clip((y0 + y1 - size) / 2 + jitter[0], 0, height - size))
            left = int(np.clip((x0 + x1 - size) / 2 + jitter[1], 0, width - size))
        pixels = stored[start : start + frames, top : top + size, left : left + size]
    mouth = mouth_mask(box - torch.tensor([left, top, left, top]), size, size)
    video, weight = to_video(pixels)[0], 1 + (MOUTH_WEIGHT - 1) * mouth[None].float()
    if rng.random() < 0.5:
        video, weight = video.flip(-1), weight.flip(-1)
    return video.contiguous(), weight.contiguous()


def _audio_crop(path: Path, rng: np.random.Generator, size: int) -> Tensor:
    """Return a crop `[size]` of a clip at a random place and level."""
    with safe_open(path, framework="pt") as file:
        stored = file.get_slice("audio")
        start = int(rng.integers(max(1, stored.get_shape()[0] - size + 1)))
        wave = stored[start : start + size]
    wave = nn.functional.pad(wave, (0, size - wave.shape[0]))
    return wave * float(rng.uniform(0.5, 1.1))


def _stoi(target: Tensor, output: Tensor) -> float:
    """Return pystoi's figure, or NaN if it warns of too little speech."""
    from pystoi import stoi

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(stoi(target.numpy(), output.numpy(), 16000))
        except RuntimeWarning:
            return math.nan


def _psnr(error: Tensor) -> float:
    return 10 * math.log10(255**2 / max(float(error.double().mean()), 1e-4))
