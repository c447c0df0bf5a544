"""`jova train`: one linear loop from latents on disk to a checkpoint."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..codecs.text import MiniTextEncoder
from ..config import JoVAConfig, JoVAError
from ..files import staged
from ..latents import AVLatents
from ..model.block import Attention, Block, RunBlock, StreamContext, call_block
from ..model.checkpoint import load_jova, save_jova
from ..model.jova import JoVA, initialise
from ..model.lora import LoRAConfig, add_lora, save_lora
from ..prompt import Vocabulary
from .curve import write_curve
from .data import Batch, LatentSet, read_training
from .loss import LossTerms, finite, flow_losses, time_bins
from .muon import Muon
from .processes import Processes
from .settings import TrainSettings
from .state import (
    TrainState,
    load_state,
    optimizer_tensors,
    restore_optimizers,
    save_state,
    settings_fingerprint,
)

# What Muon moves: the square and MLP matrices of every block, the refiner's included.
_MATRICES = tuple(f".{name}.weight" for name in ("qkv", "proj", "mlp.0", "mlp.2"))
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def train(
    data: Path,
    out: Path,
    config: JoVAConfig,
    settings: TrainSettings,
    vocabulary: Vocabulary,
    *,
    lora: LoRAConfig | None = None,
    init_from: Path | None = None,
    resume: bool = False,
    stop_after: float | None = None,
    build: Callable[[JoVAConfig], JoVA] = JoVA,
) -> Path:
    """Train on the encoded data set `data`; log, state and checkpoint go to the folder `out`.

    With `lora` only that is trained, on top of `init_from`, and written instead of a checkpoint.
    `resume` continues `out/state.safetensors` bit for bit; `init_from` starts from the weights of a
    checkpoint with a fresh optimiser. `stop_after` seconds the run saves its state and returns.
    `build` makes the network of a config, for experiments with another.
    Raises JoVAError for unusable data or files, and when the loss stops being a number.
    """
    started = time.monotonic()
    processes = Processes.join()
    out.mkdir(parents=True, exist_ok=True)
    state_path, checkpoint = out / "state.safetensors", out / _file_name(lora)
    if state_path.exists() and not resume:
        raise JoVAError(f"{out} already holds a run; continue it with --resume or name another.")
    latents = LatentSet(read_training(data), config)
    encoder = MiniTextEncoder.of(config, vocabulary)

    dtype = DTYPES[settings.dtype]
    model, before = start_model(config, settings, lora, init_from, build)
    # fp32 masters are what the optimiser moves; the network computes with a copy in `dtype`.
    model.to(processes.device)
    masters = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    average = {name: p.clone() for name, p in masters.items()}
    model.to(dtype)
    network = processes.wrap(model)
    optimizers = make_optimizers(masters, settings)
    run = compiled_blocks() if settings.compile else call_block
    run = checkpointed(run) if settings.gradient_checkpointing else run

    fingerprint = settings_fingerprint(
        config, settings, vocabulary, init_from, latents.digest, lora
    )
    step = 0
    if resume:
        state = load_state(state_path, fingerprint)
        step = state.step
        restore(state, masters, average, optimizers)
        trim_log(out / "log.jsonl", step, processes)
    copy_into(model, masters)
    share = processes.share(settings.batch)
    processes.wait()

    from tqdm import tqdm

    bar = tqdm(
        total=settings.steps,
        initial=step,
        unit="step",
        smoothing=0.05,
        disable=not processes.first,
    )
    with (out / "log.jsonl").open("a", encoding="utf-8") as log:
        while step < settings.steps:
            first = before + step * settings.batch
            batch = latents.batch(first, settings, encoder, dtype, share=share)
            batch = batch.to(processes.device)
            terms = losses(network, batch, settings, run)
            loss = terms.total(settings.audio_weight)
            loss.backward()
            norm = move_gradients(model, masters, settings.clip_norm)
            if not (finite(loss) and finite(norm)):
                raise JoVAError(
                    f"The loss is no number any more at step {step}; start again with a lower "
                    f"--learning-rate, from {checkpoint} by --init-from if it is there."
                )
            if norm <= settings.spike_norm:
                for optimizer in optimizers:
                    for group in optimizer.param_groups:
                        group["lr"] = settings.rate(step)
                    optimizer.step()
                decay = min(settings.ema, (step + 1) / (step + 10))
                torch._foreach_lerp_(list(average.values()), list(masters.values()), 1 - decay)
                copy_into(model, masters)
            step += 1
            bar.update()

            if step % settings.log_every == 0 or step == 1:
                line = {"step": step, "samples": before + step * settings.batch}
                line |= describe(batch, terms, norm, settings, processes)
                line |= {
                    "learning_rate": settings.rate(step - 1),
                    "seconds": time.monotonic() - started,
                }
                write_line(log, line, processes)
                bar.set_postfix(loss=line["loss"], refresh=False)
            late = stop_after is not None and time.monotonic() - started > stop_after
            timed_out = stop_after is not None and processes.any(late)
            kept = settings.keep_every > 0 and step % settings.keep_every == 0
            due = step % settings.checkpoint_every == 0 or step == settings.steps
            if processes.first and (due or kept or timed_out):
                about = {"settings": asdict(settings), "step": step}
                about["samples"] = before + step * settings.batch
                about["vocabulary"] = vocabulary.to_dict()
                for path in (checkpoint, *([_kept(checkpoint, about)] if kept else [])):
                    _save(path, average, config, lora, about)
                tensors = gather(masters, average, optimizers)
                save_state(
                    state_path, TrainState(step=step, fingerprint=fingerprint, tensors=tensors)
                )
                if log.tell():
                    write_curve(out)
            if timed_out:
                break
    bar.close()
    return checkpoint


def _file_name(lora: LoRAConfig | None) -> str:
    return "jova.safetensors" if lora is None else "lora.safetensors"


def _kept(checkpoint: Path, about: dict[str, Any]) -> Path:
    return checkpoint.with_name(f"{checkpoint.stem}-{about['samples']}.safetensors")


def _save(
    path: Path,
    average: dict[str, Tensor],
    config: JoVAConfig,
    lora: LoRAConfig | None,
    about: dict[str, Any],
) -> None:
    weights = {k: v.bfloat16() for k, v in average.items()}
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


def write_line(log: IO[str], line: dict[str, Any], processes: Processes) -> None:
    """One line of JSON, on disk at once; from the first process only."""
    if processes.first:
        log.write(json.dumps(line) + "\n")
        log.flush()


def trim_log(path: Path, step: int, processes: Processes) -> None:
    """Drop what a killed run logged after the state it is resumed from, a torn line included."""
    if not processes.first:
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        with suppress(ValueError):
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
    with staged(path) as temporary:
        temporary.write_text("".join(kept), encoding="utf-8")


def compiled_blocks() -> RunBlock:
    """A `run` for the network that compiles each kind of block once for each clip length.

    Blocks of a kind share the compiled code, which takes a sixth of compiling the whole network.
    """
    # Kinds of block × clip lengths × with and without pictures; torch gives up after 8.
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)

    @torch.compile(fullgraph=True, dynamic=False)
    def compiled(
        block: Block,
        x: dict[str, Tensor],
        contexts: Mapping[str, StreamContext],
        attend: Attention,
    ) -> dict[str, Tensor]:
        return block(x, contexts, attend)

    return lambda block, _place, x, contexts, attend: compiled(block, x, contexts, attend)


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


def make_optimizers(masters: dict[str, Tensor], settings: TrainSettings) -> list[Optimizer]:
    """AdamW for everything, or Muon for the matrices inside blocks and AdamW for the rest."""
    inner = [
        p
        for name, p in masters.items()
        if settings.optimizer == "muon" and name.endswith(_MATRICES)
    ]
    chosen = {id(p) for p in inner}
    rest = [p for p in masters.values() if id(p) not in chosen]
    optimizers: list[Optimizer] = [
        torch.optim.AdamW(
            rest,
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
            fused=True,
        )
    ]
    if inner:
        optimizers.append(
            Muon(
                inner,
                lr=settings.learning_rate,
                weight_decay=settings.weight_decay,
                dtype=DTYPES[settings.dtype],
            )
        )
    return optimizers


def move_gradients(model: JoVA, masters: dict[str, Tensor], clip_norm: float) -> Tensor:
    """Gradients of the computing copy → clipped fp32 ones of the masters; returns the norm.

    What a step does not use has none and stays: Muon would make a full step of its momentum.
    """
    for name, parameter in model.named_parameters():
        if name in masters:
            grad = parameter.grad
            masters[name].grad = None if grad is None else grad.float()
            parameter.grad = None
    return torch.nn.utils.clip_grad_norm_(list(masters.values()), clip_norm)


def copy_into(model: JoVA, masters: dict[str, Tensor]) -> None:
    """The masters, rounded to the model's dtype."""
    with torch.no_grad():
        moved = [p for name, p in model.named_parameters() if name in masters]
        torch._foreach_copy_(moved, list(masters.values()))


def gather(
    masters: dict[str, Tensor], average: dict[str, Tensor], optimizers: list[Optimizer]
) -> dict[str, Tensor]:
    """Every tensor that decides how the run goes on."""
    return (
        {f"master.{name}": p for name, p in masters.items()}
        | {f"average.{name}": p for name, p in average.items()}
        | optimizer_tensors(optimizers)
    )


def restore(
    state: TrainState,
    masters: dict[str, Tensor],
    average: dict[str, Tensor],
    optimizers: list[Optimizer],
) -> None:
    """The inverse of `gather`."""
    for name, value in masters.items():
        value.copy_(state.tensors[f"master.{name}"])
        average[name].copy_(state.tensors[f"average.{name}"])
    restore_optimizers(optimizers, state.tensors)


def describe(
    batch: Batch, terms: LossTerms, norm: Tensor, settings: TrainSettings, processes: Processes
) -> dict[str, Any]:
    """The log line of a step: every loss term over the whole batch, by bins of σ where it says so.

    All processes call it: it gathers their samples.
    """
    video, audio, total, mouth, sigma_video, sigma_audio, share = (
        processes.gather(value.detach().float().contiguous()).cpu()
        for value in (
            terms.video_plain,
            terms.audio,
            terms.video + settings.audio_weight * terms.audio,
            terms.mouth,
            batch.sigma_video,
            batch.sigma_audio,
            batch.mouth.mean(dim=(1, 2, 3, 4)),
        )
    )
    return {
        "loss": round(float(total.mean()), 5),
        "video": round(float(video.mean()), 5),
        "audio": round(float(audio.mean()), 5),
        "mouth": round(float(mouth.mean()), 5),
        "mouth_share": round(float(share.mean()), 5),
        "grad_norm": round(float(norm), 4),
        "video_by_time": time_bins(sigma_video, video),
        "audio_by_time": time_bins(sigma_audio, audio),
    }
