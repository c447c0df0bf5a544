"""`jova train`: one linear loop from latents on disk to a checkpoint."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..codecs import TextEncoder
from ..config import JoVAConfig
from ..errors import JoVAError
from ..files import content_digest
from ..kernels import fast_fp32
from ..latents import AVLatents
from ..model.block import Attend, Block, RunBlock, call_block
from ..model.checkpoint import load_jova, save_jova
from ..model.joint import Joint
from ..model.jova import JoVA
from ..model.lora import LoRAConfig, add_lora, save_lora
from .curve import write_curve
from .data import Batch, LatentSet
from .distributed import Distributed
from .initialise import initialise
from .log import LOG, describe, trim_logs, write_line
from .loss import LossTerms, finite, flow_losses
from .settings import TrainSettings
from .shards import read_encoded
from .state import TrainState, identity_of, load_state, save_state
from .weights import DTYPES, Weights


@dataclass(frozen=True, kw_only=True)
class TrainProgress:
    """Where a run stands after a step.

    `ema_model()` gives the network with its EMA weights, in the dtype and on the device of the
    training, until the context is left.
    """

    step: int
    steps: int
    samples: int
    loss: float
    ema_model: Callable[[], AbstractContextManager[JoVA]]


# Called after each step by the first process; True makes the run save its state and stop.
TrainCallback = Callable[[TrainProgress], bool]


def deadline(seconds: float) -> TrainCallback:
    """Stops a run `seconds` from now."""
    end = time.monotonic() + seconds
    return lambda _progress: time.monotonic() > end


@fast_fp32()
def train(
    data: Path | LatentSet,
    out: Path,
    config: JoVAConfig,
    settings: TrainSettings,
    encoders: tuple[TextEncoder, ...],
    *,
    notes: dict[str, Any] | None = None,
    lora: LoRAConfig | None = None,
    init_from: Path | None = None,
    resume: bool = False,
    build: Callable[[JoVAConfig], JoVA] = JoVA,
    callbacks: Sequence[TrainCallback] = (),
    device: torch.device | None = None,
) -> Path:
    """Train on `data`; log, state and checkpoint go to the folder `out`.

    `data` is the folder of an encoded data set, or clips that are there already or still coming.

    With `lora` only that is trained, on top of `init_from`, and written instead of a checkpoint.
    `encoders` are those of the config, in its order; `notes` go into the checkpoint's metadata.
    `resume` continues `out/state.safetensors` bit for bit; `init_from` starts from the weights of a
    checkpoint with a fresh optimiser. When one of `callbacks` returns True, the run saves its
    state and returns. `build` makes the network of a config, for experiments with another;
    `device` is where to train, by default the first GPU where there is one.
    Raises JoVAError for unusable data or files, and where the loss becomes NaN or infinite.
    """
    started = time.monotonic()
    distributed = Distributed.join(device)
    out.mkdir(parents=True, exist_ok=True)
    state_path, checkpoint = out / "state.safetensors", out / _file_name(lora)
    if state_path.exists() and not resume:
        raise JoVAError(f"{out} already holds a run; continue it with --resume or name another.")
    latents = data if isinstance(data, LatentSet) else LatentSet(read_encoded(data), config)
    notes = notes or {}

    model, before = start_model(config, settings, lora, init_from, build)
    weights = Weights(model, settings, distributed)
    run = block_runner(settings)

    identity = identity_of(
        config=config,
        settings=settings.identity(),
        lora=lora,
        start=None if init_from is None else content_digest(init_from),
        clips=latents.digest,
        **notes,
    )
    step = 0
    if resume:
        state = load_state(state_path, identity)
        step = state.step
        weights.restore(state)
        trim_logs(out, step, distributed)
    share = distributed.share(settings.batch)
    distributed.wait()

    from tqdm import tqdm

    shown = distributed.first
    bar = tqdm(total=settings.steps, initial=step, unit="step", smoothing=0.05, disable=not shown)
    with (out / LOG).open("a", encoding="utf-8") as log:
        while step < settings.steps:
            first = before + step * settings.batch
            batch = latents.batch(first, settings, encoders, DTYPES[settings.dtype], share=share)
            batch = batch.to(distributed.device)
            terms = losses(weights.network, batch, settings, run)
            loss = terms.weighed(settings.video_weight, settings.audio_weight).mean()
            loss.backward()
            norm = weights.take_gradients()
            if not (finite(loss) and finite(norm)):
                raise JoVAError(
                    f"Loss became NaN or infinite at step {step}; lower the learning rate and "
                    f"start from the last checkpoint, {checkpoint}, if there is one."
                )
            if norm <= settings.spike_norm:
                weights.optimizer_step(step)
            step += 1
            bar.update()

            if step % settings.log_every == 0 or step == 1:
                line = {"step": step, "samples": before + step * settings.batch}
                line |= describe(batch, terms, norm, settings, distributed)
                line |= {
                    "learning_rate": settings.rate(step - 1),
                    "seconds": time.monotonic() - started,
                }
                write_line(log, line, distributed)
                bar.set_postfix(loss=line["loss"], refresh=False)
            progress = TrainProgress(
                step=step,
                steps=settings.steps,
                samples=before + step * settings.batch,
                loss=float(loss.detach()),
                ema_model=weights.ema_model,
            )
            wants = [callback(progress) for callback in callbacks] if distributed.first else []
            stopped = distributed.any(any(wants))
            kept = settings.keep_every > 0 and step % settings.keep_every == 0
            due = step % settings.checkpoint_every == 0 or step == settings.steps
            if due or kept or stopped:
                tensors = weights.gather()
                about = {"settings": asdict(settings), "step": step, "samples": progress.samples}
                about |= notes
                if distributed.first:
                    for path in (checkpoint, *([_kept(checkpoint, about)] if kept else [])):
                        _save(path, tensors, config, lora, about)
                    state = TrainState(step=step, identity=identity, tensors=tensors)
                    save_state(state_path, state)
                    write_curve(out)
            if stopped:
                break
    bar.close()
    return checkpoint


def _file_name(lora: LoRAConfig | None) -> str:
    return "jova.safetensors" if lora is None else "lora.safetensors"


def _kept(checkpoint: Path, about: dict[str, Any]) -> Path:
    return checkpoint.with_name(f"{checkpoint.stem}-{about['samples']}.safetensors")


def _save(
    path: Path,
    tensors: dict[str, Tensor],
    config: JoVAConfig,
    lora: LoRAConfig | None,
    about: dict[str, Any],
) -> None:
    start = "average."
    weights = {
        name.removeprefix(start): value.bfloat16()
        for name, value in tensors.items()
        if name.startswith(start)
    }
    if lora is None:
        save_jova(path, weights, config, about)
    else:
        save_lora(path, weights, lora, about)


def start_model(
    config: JoVAConfig,
    settings: TrainSettings,
    lora: LoRAConfig | None,
    init_from: Path | None,
    build: Callable[[JoVAConfig], JoVA] = JoVA,
) -> tuple[JoVA, int]:
    """The network in fp32, fresh or from a checkpoint, and the samples that one has seen."""
    model, before = build(config), 0
    initialise(model, settings.seed)
    if init_from is not None:
        start = load_jova(init_from)
        before = int(start.notes.get("samples", 0))
        model.load_state_dict({k: v.float() for k, v in start.tensors.items()})
    if lora is not None:
        add_lora(model, lora, settings.seed)
    return model, before


def block_runner(settings: TrainSettings) -> RunBlock:
    """How the settings want blocks to be run."""
    run = compiled_blocks() if settings.compile else call_block
    return checkpointed(run) if settings.gradient_checkpointing else run


def compiled_blocks() -> RunBlock:
    """A `run` for the network that compiles each kind of block once for each clip length.

    Blocks of a kind share the compiled code, which takes a sixth of compiling the whole network.
    """
    # Kinds of block × clip lengths × with and without pictures; torch gives up after 8.
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)

    @torch.compile(fullgraph=True, dynamic=False)
    def compiled(block: Block, x: Tensor, joint: Joint, attend: Attend) -> Tensor:
        return block(x, joint, attend)

    return lambda block, _place, x, joint, attend: compiled(block, x, joint, attend)


def checkpointed(run: RunBlock) -> RunBlock:
    """`run` keeping only what enters each block, whose inside is computed again for gradients."""
    from torch.utils.checkpoint import checkpoint

    return partial(checkpoint, run, use_reentrant=False)


def losses(
    model: Callable[..., AVLatents], batch: Batch, settings: TrainSettings, run: RunBlock
) -> LossTerms:
    """Forward pass and loss terms of one batch."""
    predicted = model(batch.x, batch.t_video, batch.t_audio, batch.conditioning, run=run)
    return flow_losses(
        predicted,
        batch.target,
        (batch.made_video, batch.made_audio),
        batch.mouth,
        mouth_weight=settings.mouth_weight,
        mouth_form=settings.mouth_form,
    )
