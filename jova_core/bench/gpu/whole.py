"""`jova bench gpu-b`: the true sizes with random weights, sampling and training, and the mini.

Sampling: seconds of a step without guidance (one pass) and with it (two), and the memory that it
takes at its peak, weights included. Training: seconds and memory of a step.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import torch

from ...config import JoVAConfig
from ...kernels import use_backend
from ...latents import AVLatents
from ...mini import load_pipeline
from ...model.block import call_block
from ...model.lora import LoRAConfig, add_lora
from ...presets import PRESETS
from ...training.distributed import Distributed
from ...training.loop import block_runner, compiled_blocks, losses
from ...training.settings import TrainSettings
from ...training.weights import Weights
from .correct import relative
from .networks import ClipSize, guided, random_batch, random_latents, random_network
from .script import Item, Plan, Row, run_items

P480 = ClipSize(frames=81, width=832, height=480)  # 5 s of 16 frames a second
P720 = replace(P480, width=1280, height=720)
TINY_CLIP = ClipSize(frames=5, width=64, height=64)
MINI_CLIP = ClipSize(frames=33, width=96, height=96)  # 2 s
MINI_STEPS = 30
STEP = 1 / 30  # of the noise level, in a step of sampling
# Of ours from fp64 in units of plain torch's: the bar of the blocks. And what rounding once costs.
WORST, LEAST = 2.0, 1e-7


def bench_gpu_b(plan: Plan) -> dict[str, Any]:
    """The figures of the script. Raises JoVAError for a plan that cannot be run."""
    small, large = (_preset(name, plan) for name in ("jova_3b2", "jova_24b"))
    p480, p720 = (TINY_CLIP, TINY_CLIP) if plan.tiny else (P480, P720)
    step, train = partial(_sampling, plan), partial(_training, plan)
    checkpointing = TrainSettings(gradient_checkpointing=True, compile=False, batch=1)
    muon = replace(checkpointing, optimizer="muon")
    mini = TrainSettings(batch=2 if plan.tiny else 256, compile=False)
    mini_clip = replace(MINI_CLIP, frames=5) if plan.tiny else MINI_CLIP
    items = {
        "the mini against fp64": lambda: _exact(plan),
        "3b2 480p bf16": lambda: step(small, p480),
        "3b2 480p fp8": lambda: step(small, p480, fp8=True),
        "3b2 720p bf16": lambda: step(small, p720),
        "24b 480p fp8": lambda: step(large, p480, fp8=True),
        "3b2 480p train LoRA": lambda: train(small, p480, checkpointing, lora=LoRAConfig()),
        "3b2 480p train muon": lambda: train(small, p480, muon),
        "3b2 480p train adamw": lambda: train(small, p480, checkpointing),
        "the mini sampled": lambda: _mini_sampling(plan, mini_clip),
        "the mini trained": lambda: train(PRESETS["mini"], mini_clip, mini),
        "3b2 480p bf16 compiled": lambda: step(small, p480, compiled=True),
        "3b2 720p fp8": lambda: step(small, p720, fp8=True),
        "24b 720p fp8": lambda: step(large, p720, fp8=True),
        "the mini trained compiled": lambda: train(
            PRESETS["mini"], mini_clip, replace(mini, compile=True)
        ),
        "3b2 720p bf16 compiled": lambda: step(small, p720, compiled=True),
        "3b2 480p fp8 compiled": lambda: step(small, p480, fp8=True, compiled=True),
    }
    return run_items("gpu_b", [Item(name=n, run=run) for n, run in items.items()], plan)


def _preset(name: str, plan: Plan) -> JoVAConfig:
    """The preset, or one of its form and of two blocks."""
    config = PRESETS[name]
    if not plan.tiny:
        return config
    text = tuple(replace(encoder, width=32, max_tokens=5) for encoder in config.text)
    size = {"dim": 64, "heads": 2, "dual_blocks": 1, "single_blocks": 1, "rope_axes": (8, 12, 12)}
    return replace(config, text=text, **size)


def _exact(plan: Plan) -> list[Row]:
    """Velocities of the bundled network as shipped against the formulas in fp64."""
    model = load_pipeline().model.to(plan.device)
    clip = replace(MINI_CLIP, frames=5)
    x = random_latents(model.config, clip, plan.device)

    def predicted(dtype: torch.dtype, backend: str) -> AVLatents:
        own = model.to(dtype)
        velocity = guided(own, model.config, clip, plan.device, passes=1, dtype=dtype)
        with torch.inference_mode(), use_backend(backend):
            return velocity(x.map(lambda part: part.to(dtype)), 0.5)

    true, rows = predicted(torch.float64, "reference"), []
    for dtype in (torch.float32, torch.bfloat16):
        errors = {name: _distance(predicted(dtype, name), true) for name in ("reference", "auto")}
        limit = WORST * errors["reference"] + LEAST
        rows.append(
            {
                "dtype": str(dtype).removeprefix("torch."),
                "error": errors["auto"],
                "limit": limit,
                "ok": errors["auto"] < limit,
            }
        )
    return rows


def _distance(found: AVLatents, true: AVLatents) -> float:
    return max(relative(found.video, true.video), relative(found.audio, true.audio))


@torch.inference_mode()
def _sampling(
    plan: Plan,
    config: JoVAConfig,
    clip: ClipSize,
    *,
    fp8: bool = False,
    compiled: bool = False,
) -> list[Row]:
    """Steps of one clip by one pass and by two."""
    with torch.inference_mode(False):
        model = random_network(config, plan.device, fp8=fp8)
    run = compiled_blocks(plan.compiler) if compiled else call_block
    x, rows = random_latents(config, clip, plan.device), []
    for passes in (1, 2):
        velocity = guided(partial(model, run=run), config, clip, plan.device, passes=passes)
        found = _timed(lambda v=velocity: x.add_scaled(v(x, 0.5), -STEP), plan)
        rows.append({"tokens": clip.tokens(config), "passes": passes, **found})
    return rows


def _mini_sampling(plan: Plan, clip: ClipSize) -> list[Row]:
    """Clips a second: one clip of 30 guided steps after the other, without codecs."""
    model = load_pipeline().model.to(plan.device, torch.bfloat16)
    x = random_latents(model.config, clip, plan.device)
    velocity = guided(model, model.config, clip, plan.device, passes=2)
    steps = 2 if plan.tiny else MINI_STEPS

    def sample() -> None:
        moved = x
        for _ in range(steps):
            v = velocity(moved, 0.5).map(torch.Tensor.bfloat16)  # velocities are fp32
            moved = moved.add_scaled(v, -1 / steps)

    with torch.inference_mode():
        found = _timed(sample, plan)
    return [{"steps": steps, **found, "clips_per_s": 1 / found["seconds"]}]


def _training(
    plan: Plan,
    config: JoVAConfig,
    clip: ClipSize,
    settings: TrainSettings,
    *,
    lora: LoRAConfig | None = None,
) -> list[Row]:
    """A step of all weights, or of a LoRA: forward, backward, optimiser and average."""
    model = random_network(config, plan.device, dtype=torch.float32).train()
    if lora is None:
        model.requires_grad_(True)
    else:
        add_lora(model, lora)
    device = torch.device(plan.device)
    weights = Weights(model, settings, Distributed.join(device))
    batch = random_batch(config, clip, plan.device, settings.batch)
    real = not (plan.tiny and settings.compile)
    run = block_runner(settings) if real else compiled_blocks(plan.compiler)

    def step() -> None:
        terms = losses(weights.network, batch, settings, run)
        terms.weighed(settings).mean().backward()
        weights.take_gradients()
        weights.optimizer_step(0, settings.learning_rate)

    found = _timed(step, plan)
    row = {"tokens": clip.tokens(config), "batch": settings.batch, **found}
    return [row | {"clips_per_s": settings.batch / found["seconds"]}]


def _timed(call: Callable[[], Any], plan: Plan) -> Row:
    """Median seconds of three calls after one that does not count, and the peak of memory."""
    start = time.perf_counter()
    call()
    _wait(plan)
    first = time.perf_counter() - start
    if not plan.tiny:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(1 if plan.tiny else 3):
        start = time.perf_counter()
        call()
        _wait(plan)
        seconds.append(time.perf_counter() - start)
    peak = None if plan.tiny else torch.cuda.max_memory_allocated() / 1e9
    return {"seconds": median(seconds), "first": first, "peak_gb": peak}


def _wait(plan: Plan) -> None:
    if not plan.tiny:
        torch.cuda.synchronize()
