"""`jova train`: one linear loop from latents on disk to a checkpoint."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import asdict, dataclass, replace
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
from ..model.checkpoint import load_tensors, read_notes, save_jova
from ..model.joint import Joint
from ..model.jova import JoVA
from ..model.lora import LoRAConfig, add_lora, save_lora
from .ahead import made_ahead
from .alignment import AlignmentLoss
from .clock import Clock
from .curve import write_curve
from .data import Batch, LatentSet
from .distributed import Distributed
from .initialise import initialise
from .lock import locked
from .log import LOG, describe, logged_losses, trim_logs, write_line
from .loss import LossTerms, finite, flow_losses
from .places import only_places
from .settings import TrainSettings
from .shards import read_encoded
from .state import TrainState, identity_of, load_state, save_state
from .watch import LossWatch
from .weights import DTYPES, Weights


@dataclass(frozen=True, kw_only=True)
class TrainProgress:
    """The progress of a run after a step.

    `ema_model()`, a context, gives the network with its EMA weights, in the dtype and on the device
    of the training.
    """

    step: int
    steps: int
    samples: int
    loss: float
    ema_model: Callable[[], AbstractContextManager[JoVA]]


# Called after each step by the first process; True makes the run save its state and stop.
TrainCallback = Callable[[TrainProgress], bool]


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
    clock: Clock = Clock(),  # noqa: B008 - frozen
    device: torch.device | None = None,
) -> Path:
    """Train on `data`; log, state and checkpoint go to the folder `out`.

    `data` is the folder of an encoded data set, or clips that are there or still coming. With
    `lora` a LoRA is trained on top of `init_from` and written instead of a checkpoint.
    `encoders` are those of the config, in its order; `notes` go into the checkpoint's metadata.
    `resume` continues `out/state.safetensors` bit for bit; `init_from` starts from the weights of a
    checkpoint with a fresh optimiser. When one of `callbacks` returns True or the time of
    `clock` is over, the run saves its state and returns. `build` makes the network of a config,
    for experiments with another; `device` is by default the first GPU, or the CPU without one.
    Raises JoVAError for unusable data or files, for a folder that another run writes into, and
    when the loss explodes or becomes NaN; the last good state is kept.
    """
    started = time.monotonic()
    distributed = Distributed.join(device)
    state_path, checkpoint = out / "state.safetensors", out / _file_name(lora)
    _check_place(state_path, resume)
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
    shown = distributed.first
    step, saved, waiting, watch = 0, 0, False, LossWatch()

    from tqdm import tqdm

    with ExitStack() as held:
        if shown:
            held.enter_context(locked(out))
            _check_place(state_path, resume)  # which another process may have filled meanwhile
        if resume:
            state = load_state(state_path, identity)
            step = saved = state.step
            weights.restore(state)
            trim_logs(out, step, distributed)
            watch = LossWatch(logged_losses(out))
        distributed.wait()
        log = held.enter_context((out / LOG).open("a", encoding="utf-8"))
        bar = held.enter_context(
            tqdm(total=settings.steps, initial=step, unit="step", smoothing=0.05, disable=not shown)
        )
        draw = partial(_batch, latents, settings, encoders, distributed, before=before)
        threads = int(distributed.device.type != "cpu")  # on a CPU it would slow the step
        batches = held.enter_context(closing(made_ahead(draw, step, threads)))
        while step < settings.steps:
            batch = next(batches)
            terms = losses(weights.network, batch, settings, run)
            loss = terms.weighed(settings).mean()
            loss.backward()
            norm = weights.take_gradients()
            if not (finite(loss) and finite(norm)):
                raise JoVAError(_stop("NaN or infinity", step + 1, saved, checkpoint))
            rate = settings.rate(step) * clock.share(time.monotonic() - started)
            if norm <= settings.spike_norm:
                weights.optimizer_step(step, rate)
            step += 1
            bar.update()
            value = float(loss.detach())
            high = distributed.any(watch.is_high(value))
            watch.note(value, high)
            if watch.exploded:
                what = f"{value:.3g} where {watch.usual:.3g} was usual"
                raise JoVAError(_stop(what, step, saved, checkpoint))
            if step % settings.log_every == 0 or step == 1:
                line = {"step": step, "samples": before + step * settings.batch}
                line |= {"learning_rate": rate, "seconds": time.monotonic() - started}
                line |= describe(batch, terms, norm, settings, distributed)
                write_line(log, line, distributed)
                bar.set_postfix(loss=line["loss"], refresh=False)
            progress = TrainProgress(
                step=step,
                steps=settings.steps,
                samples=before + step * settings.batch,
                loss=value,
                ema_model=weights.ema_model,
            )
            stops = [callback(progress) for callback in callbacks] if distributed.first else []
            stop = distributed.any(any(stops) or time.monotonic() - started > clock.seconds)
            keep = settings.keep_every > 0 and step % settings.keep_every == 0
            due = waiting or step % settings.checkpoint_every == 0
            waiting = due and high  # a state that may be bad does not replace a good one
            if (due and not waiting) or keep or stop or step == settings.steps:
                tensors = weights.gather()
                about = {"settings": asdict(settings), "step": step, "samples": progress.samples}
                about |= notes
                if distributed.first:
                    for path in (checkpoint, *([_path_to_keep(checkpoint, about)] if keep else [])):
                        _save(path, tensors, config, lora, about)
                    state = TrainState(step=step, identity=identity, tensors=tensors)
                    save_state(state_path, state)
                    write_curve(out)
                saved = step
            if stop:
                break
    return checkpoint


def _batch(
    latents: LatentSet,
    settings: TrainSettings,
    encoders: tuple[TextEncoder, ...],
    distributed: Distributed,
    step: int,
    *,
    before: int,
) -> Batch:
    """This process's share of the batch of a step, in a run that began after `before` samples."""
    first, share = before + step * settings.batch, distributed.share(settings.batch)
    dtype, device = DTYPES[settings.dtype], distributed.device
    return latents.batch(first, settings, encoders, dtype, share=share, device=device)


def _check_place(state: Path, resume: bool) -> None:
    """JoVAError where a new run finds another, or one that is to go on finds none."""
    if resume and not state.exists():
        raise JoVAError(
            f"Got {state.parent} without a run; expected one to go on with; leave out --resume."
        )
    if state.exists() and not resume:
        raise JoVAError(
            f"{state.parent} already holds a run; continue it with --resume or name another."
        )


def _stop(what: str, step: int, saved: int, checkpoint: Path) -> str:
    """The sentence for a run whose loss became too high to go on."""
    kept = f"; what was learnt up to step {saved} is kept in {checkpoint}" if saved else ""
    return (
        f"Got a loss of {what} at step {step}; expected it to fall; lower the learning rate or the "
        f"weights of the losses, and start a new run under another name{kept}."
    )


def _file_name(lora: LoRAConfig | None) -> str:
    return "jova.safetensors" if lora is None else "lora.safetensors"


def _path_to_keep(checkpoint: Path, about: dict[str, Any]) -> Path:
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
    """The network in fp32, fresh or from a checkpoint, and the samples of its training."""
    model, before = build(config), 0
    initialise(model, settings.seed)
    if init_from is not None:
        before = int(read_notes(init_from).get("samples", 0))
        tensors = load_tensors(init_from, config)
        model.load_state_dict({k: v.float() for k, v in tensors.items()})
    if lora is not None:
        add_lora(model, lora, settings.seed)
    return model, before


def block_runner(settings: TrainSettings) -> RunBlock:
    """The way to run blocks by the settings."""
    run = compiled_blocks() if settings.compile else call_block
    return checkpointed(run) if settings.gradient_checkpointing else run


def compiled_blocks(backend: str = "inductor") -> RunBlock:
    """A `run` for the network that compiles each kind of block once for each clip length.

    Blocks of a kind share the compiled code, which takes a sixth of compiling the whole network.
    """
    # Kinds of block × clip lengths × with and without pictures; torch gives up after 8.
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)

    @torch.compile(fullgraph=True, dynamic=False, backend=backend)
    def compiled(block: Block, x: Tensor, joint: Joint, attend: Attend) -> Tensor:
        return block(x, joint, attend)

    return lambda block, _place, x, joint, attend: compiled(block, x, joint, attend)


def checkpointed(run: RunBlock) -> RunBlock:
    """`run` that keeps only the input of each block and recomputes its inside for gradients."""
    from torch.utils.checkpoint import checkpoint

    return partial(checkpoint, run, use_reentrant=False)


def losses(
    model: Callable[..., AVLatents], batch: Batch, settings: TrainSettings, run: RunBlock
) -> LossTerms:
    """Forward pass and loss terms of one batch."""
    if batch.places is not None:
        model, run = partial(model, whole=False), only_places(run, batch.places)
    if batch.heard is not None:
        run = AlignmentLoss(run, batch.heard)
    predicted = model(batch.x, batch.t_video, batch.t_audio, batch.conditioning, run=run)
    terms = flow_losses(
        predicted,
        batch.target,
        (batch.made_video, batch.made_audio),
        batch.mouth,
        mouth_weight=settings.mouth_weight,
        mouth_form=settings.mouth_form,
    )
    return terms if batch.heard is None else replace(terms, alignment=run.value)
