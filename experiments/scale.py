"""Memory and time of training the full-size presets, computed from the networks, not measured.

    python experiments/scale.py        # prints the table of scale.md, on any machine

Networks are built on torch's meta device, so parameters and operations are counted, not estimated.

Operations of a forward pass: 2 · in · out for each token of a linear layer, 4 · N² · d for the
attention of N tokens and width d in each layer; `counted_flops` is torch's own count of them. A
backward pass costs two forward passes, of a LoRA one (frozen weights need no gradient of their
own), gradient checkpointing one more forward pass.

Memory of a process: 2 bytes for each weight of the computing copy and, for each trained one, 2 for
its gradient, 4 each for master, average and the clipped gradient, and 8 for AdamW (2 in 8 bit).
Split over n processes (`--shard`) all of that is divided by n. Activations with gradient
checkpointing: 2 bytes · d · tokens · layers for the blocks' inputs and `SAVED` · d · tokens · 2
bytes for the one block whose inside is computed again; without it, every layer keeps that.
"""

import sys
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from jova_core.config import JoVAConfig
from jova_core.latents import AVLatents, Conditioning, latent_shapes
from jova_core.model.jova import JoVA
from jova_core.model.lora import LoRAConfig
from jova_core.presets import PRESETS

FRAMES = 81  # 5 s at 16 frames a second
PEAK = 989e12  # bf16 products a second of an H100 SXM without sparsity: NVIDIA's data sheet
USE = 0.40  # of that peak, a usual figure for transformers of this size: an assumption
LINK = 50e9  # bytes a second between two processes, InfiniBand NDR 400: an assumption
GPU = 80e9  # bytes of an H100
# Numbers that a block keeps for its gradients, by token and channel; test_scale.py counts them.
SAVED = 26.7


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a preset is trained, on how many GPUs; rank 0 trains all weights."""

    preset: str
    gpus: int = 1
    rank: int = 0
    shard: bool = False


PLANS = tuple(
    Plan(preset=name, **how)
    for name in ("jova_3b2", "jova_24b")
    for how in (
        {"rank": 16},
        {"rank": 16, "gpus": 8, "shard": True},
        {"gpus": 8},
        {"gpus": 8, "shard": True},
        {"gpus": 64, "shard": True},
    )
)


def tokens_of(config: JoVAConfig, frames: int = FRAMES) -> dict[str, int]:
    """Tokens of each stream of a clip in the preset's own size."""
    video, audio = latent_shapes(config, frames)
    _, rows, columns = config.patch
    return {
        "video": video[2] * -(-video[3] // rows) * -(-video[4] // columns),
        "audio": -(-audio[2] // config.audio_patch),
        "text": 2 * config.text_tokens,
    }


def counted_flops(config: JoVAConfig, frames: int = FRAMES) -> int:
    """Operations of a forward pass of one clip, counted by torch on the meta device."""
    model = JoVA(config, device="meta", dtype=torch.bfloat16)
    video, audio = latent_shapes(config, frames)

    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(shape, device="meta", dtype=torch.bfloat16)

    conditioning = Conditioning(text=tuple(empty(1, e.max_tokens, e.width) for e in config.text))
    times = torch.empty(1, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(AVLatents(video=empty(*video), audio=empty(*audio)), times, times, conditioning)
    return counter.get_total_flops()


def stated_flops(config: JoVAConfig, frames: int = FRAMES) -> int:
    """The formula for the blocks alone: 2 · 12 d² a token, modulation left out, and attention."""
    count, d = sum(tokens_of(config, frames).values()), config.dim
    linear = 2 * (4 + 2 * config.mlp_ratio) * d * d * count
    return (linear + 4 * count * count * d) * (config.dual_blocks + config.single_blocks)


def weights_of(config: JoVAConfig, rank: int = 0) -> tuple[int, int]:
    """Weights, and how many of them (or of the LoRA's) are trained."""
    model = JoVA(config, device="meta")
    total = sum(p.numel() for p in model.parameters())
    if not rank:
        return total, total
    lora = LoRAConfig(rank=rank)
    added = sum(
        rank * sum(module.weight.shape)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and lora.alpha_of(name)
    )
    return total + added, added


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one process and step, a clip a GPU: bytes kept, and seconds computing and sending."""

    weights: float
    activations: float
    computing: float
    sending: float


def cost(plan: Plan) -> Cost:
    """The formulas of the file's head."""
    config = PRESETS[plan.preset]
    total, trained = weights_of(config, plan.rank)
    kept = (2 * total + (2 + 4 + 4 + 4 + 8) * trained) / (plan.gpus if plan.shard else 1)
    count = sum(tokens_of(config).values())
    layers = config.dual_blocks + config.single_blocks
    activations = 2 * config.dim * count * (layers + SAVED)
    if plan.shard:  # the block that runs is whole, and so is the next one
        activations += 2 * 2 * total / layers
    passes = (1 + 1 + 1) if plan.rank else (1 + 2 + 1)
    others = (plan.gpus - 1) / plan.gpus
    # Weights are gathered forwards and again backwards, gradients scattered; or gradients reduced.
    sent = 2 * (2 * total + trained) * others if plan.shard else 2 * 2 * trained * others
    return Cost(
        weights=kept,
        activations=activations,
        computing=passes * counted_flops(config) / (PEAK * USE),
        sending=sent / LINK,
    )


def table() -> str:
    """Every plan as a Markdown table."""
    lines = [
        "| Preset | Trained | GPUs | Weights, optimiser | Activations | 80 GB | Computing "
        "| Sending |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for plan in PLANS:
        costs, (total, trained) = cost(plan), weights_of(PRESETS[plan.preset], plan.rank)
        what = (
            f"LoRA {plan.rank}, {trained / 1e6:.0f} M" if plan.rank else f"all {total / 1e9:.1f} B"
        )
        fits = "fits" if costs.weights + costs.activations < GPU else "does not fit"
        lines.append(
            f"| {plan.preset} | {what} | {plan.gpus}{' split' if plan.shard else ''} "
            f"| {costs.weights / 1e9:.1f} GB | {costs.activations / 1e9:.1f} GB | {fits} "
            f"| {costs.computing:.1f} s | {costs.sending:.2f} s |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
