"""The loop that trains a mini codec: boxed by time or steps, resumable, on any device.

Batches are functions of (seed, step). With `minutes` the learning rate follows the clock, so the
run always ends annealed; with `steps` it follows the step and a run can be repeated exactly.
"""

import json
import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ...errors import JoVAError
from ...files import write_tensors
from ...training.ahead import made_ahead
from ...training.muon import Muon
from .adversary import Critic
from .resume import CodecRun

# Convolutions to fewer channels (pictures, say) learn by AdamW.
NARROW = 16
# Steps between two states on disk.
SAVE_EVERY = 200
LOGGED = ("loss", "error", "moments")


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
    device: str = "cpu"
    ahead: int = 0  # threads that draw batches while a step runs
    dtype: str = "fp32"  # of products: fp32 or bf16; weights stay fp32

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

    def products(self) -> torch.autocast:
        """A context in which products have the run's dtype."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.dtype == "bf16")

    def fraction(self, step: int, seconds: float) -> float:
        """The fraction of the run after so many steps and seconds, in [0, 1]."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        return min(1.0, seconds / (60 * self.minutes))


def finished_codec(codec: nn.Module, run: Run) -> nn.Module:
    """The result of a finished run in `codec`."""
    codec.load_state_dict(load_file(run.out))
    return codec.eval()


def train_codec(
    codec: nn.Module,
    loss_of: Callable[..., tuple[Tensor, Tensor]],
    sample: Callable[[np.random.Generator], tuple[Tensor, ...]],
    run: Run,
    *,
    compiled: bool,
    critic: Critic | None = None,
    critic_from: float = 0.0,
) -> nn.Module:
    """Run the loop: warm-up then cosine, clipped gradients, EMA; return the EMA codec.

    The critic joins after `critic_from` of the run.
    """
    optimizers, kept = _begin(codec, run, critic)
    average = kept.average
    params = [p for p in codec.parameters() if p.requires_grad]
    step, before = 0, 0.0
    if run.resume and run.state.exists():
        step, before = kept.load(run.state)
    step_loss = torch.compile(loss_of) if compiled else loss_of
    run.log.parent.mkdir(parents=True, exist_ok=True)

    def draw(step: int) -> tuple[Tensor, ...]:
        return sample(np.random.default_rng((run.seed, step)))

    # Compiling takes a minute or two; the clock starts after it.
    first = _to(run.device, draw(0))
    with run.products():
        step_loss(codec, _noise_like(codec, first[0], run.seed, 0), *first)
    started, sums = time.monotonic() - before, torch.zeros(3, device=run.device)
    with (
        run.log.open("a" if step else "w", encoding="utf-8") as log,
        closing(made_ahead(draw, step, run.ahead)) as batches,
    ):
        while (fraction := run.fraction(step, time.monotonic() - started)) < 1:
            batch = _to(run.device, next(batches))
            lr = run.lr * min(1, (step + 1) / run.warmup) * (1 + math.cos(math.pi * fraction)) / 2
            judged = critic is not None and fraction >= critic_from
            noise = _noise_like(codec, batch[0], run.seed, step)
            with run.products():
                values, made = step_loss(codec, noise, *batch)
                loss = values[0] + (critic.loss(made, batch[0]) if judged else 0)
            loss.backward()
            norm = float(nn.utils.clip_grad_norm_(params, 1.0))
            if not math.isfinite(norm):
                raise JoVAError(f"Gradient became NaN or infinite at step {step}; lower the rate.")
            for optimizer in optimizers:
                optimizer.param_groups[0]["lr"] = lr
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            if judged:
                with run.products():
                    told_apart = critic.learn(made, batch[0])
            torch._foreach_lerp_(average, params, 1 - min(0.998, (1 + step) / (10 + step)))
            sums += values.detach()
            step += 1
            if step % run.log_every == 0:
                row = {"step": step, "seconds": round(time.monotonic() - started, 1), "lr": lr}
                row |= dict(zip(LOGGED, (sums / run.log_every).tolist(), strict=True))
                row |= {"grad": norm} | ({"critic": told_apart} if judged else {})
                log.write(json.dumps(row) + "\n")
                log.flush()
                sums.zero_()
            if step % SAVE_EVERY == 0:
                _save_average(codec, average, run.out)
                kept.save(run.state, step, time.monotonic() - started)
    averaged = _save_average(codec, average, run.out)
    run.state.unlink(missing_ok=True)
    return averaged


def _begin(
    codec: nn.Module, run: Run, critic: Critic | None
) -> tuple[list[torch.optim.Optimizer], CodecRun]:
    """The codec's optimizers, and all that the run changes, on the run's device."""
    params = [p for p in codec.train().to(run.device).parameters() if p.requires_grad]
    average = [p.detach().clone() for p in params]
    mixing = [p for p in params if _mixes_channels(p)]
    others = [p for p in params if not _mixes_channels(p)]
    optimizers = [
        torch.optim.AdamW(others, lr=run.lr, betas=(0.9, 0.99), weight_decay=0.01),
        Muon(mixing, lr=run.lr),
    ]
    networks = {"codec": codec}
    of_all = list(optimizers)
    if critic is not None:
        networks["critic"] = critic.parts.to(run.device)
        of_all.append(critic.optimizer)
    return optimizers, CodecRun(networks=networks, optimizers=of_all, average=average)


def _mixes_channels(parameter: Tensor) -> bool:
    """Whether it is a convolution from many channels to many: those are what Muon is for."""
    return parameter.ndim == 4 and min(parameter.shape[:2]) > 1 and parameter.shape[0] >= NARROW


def _to(device: str, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(part.to(device, non_blocking=True) for part in batch)


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
    return torch.randn(shape, generator=generator).to(batch.device)
