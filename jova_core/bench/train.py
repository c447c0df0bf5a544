"""`jova bench train`: a training step of the mini beside its network under plain torch.compile.

Both compute the same loss of the same batch and its gradients in bf16. Plain is one graph of the
whole network with torch's fused attention; ours compiles a block of each kind and, over so few
tokens, keeps the attention's weights.
"""

from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ..kernels import attention, fast_fp32, reference
from ..latents import AVLatents, Conditioning, latent_shapes
from ..mini import load_pipeline
from ..model.block import RunBlock, call_block
from ..model.jova import Attention, JoVA
from ..training.loop import compiled_blocks
from .block import interval
from .timing import rounds, thread

BATCH, FRAMES = 32, 33


def bench_train(repeat: int, *, batch: int = BATCH, compiled: bool = True) -> dict[str, Any]:
    """Thread CPU seconds of a step both ways, all in turn, and their ratio with its interval."""
    torch.set_num_threads(1)
    model = load_pipeline().model.to(torch.bfloat16).train().requires_grad_(True)
    inputs = _batch(model, batch)
    plain = torch.compile(model, dynamic=False) if compiled else model
    blocks = compiled_blocks() if compiled else call_block
    losses: dict[str, float] = {}
    steps = {
        "plain": _step(plain, inputs, reference.attention, None),
        "ours": _step(model, inputs, attention, blocks),
    }

    def timed_step(name: str) -> Callable[[], None]:
        def step() -> None:
            model.zero_grad()
            losses[name] = steps[name]()

        return step

    parts = {name: timed_step(name) for name in steps}
    times = rounds(parts, repeat, timed=thread, warm=2)  # the first compiles
    ratios = [a / b for a, b in zip(times["plain"], times["ours"], strict=True)]
    return {
        **{f"{name}_step": median(values) for name, values in times.items()},
        **{f"{name}_loss": loss for name, loss in losses.items()},
        "speedup": median(ratios),
        "speedup_low": interval(ratios)[0],
        "speedup_high": interval(ratios)[1],
    }


def _batch(model: JoVA, batch: int) -> tuple[Any, ...]:
    """Arguments of the network: noise of the mini's size, random text, a time for each clip."""
    config = model.config
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(torch.bfloat16)

    spec = config.video
    video, audio = latent_shapes(config, FRAMES, height=spec.height, width=spec.width)
    x = AVLatents(video=draw(batch, *video[1:]), audio=draw(batch, *audio[1:]))
    text = tuple(draw(batch, encoder.max_tokens, encoder.width) for encoder in config.text)
    times = torch.linspace(50, 950, batch)
    return x, times, times, Conditioning(text=text)


def _step(
    model: Callable[..., AVLatents],
    inputs: tuple[Any, ...],
    attend: Attention,
    run: RunBlock | None,
) -> Callable[[], float]:
    options = {} if run is None else {"run": run}

    def step() -> float:
        with fast_fp32():
            out = model(*inputs, attend, **options)
            loss = out.video.float().square().mean() + out.audio.float().square().mean()
            loss.backward()
        return float(loss.detach())

    return step
