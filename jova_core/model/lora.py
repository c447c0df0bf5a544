"""LoRA: low-rank additions to chosen layers, trained alone, in files that ComfyUI's loaders read.

A layer's weight W `[out, in]` becomes W + s · α / rank · up @ down (Hu et al., arXiv 2106.09685).
"""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import JoVAError
from ..files import read_tensors, write_tensors
from .streams import MODALITY, branch_of

FORMAT = "jova-lora-1"
PREFIX = "diffusion_model."  # before the layer names, as ComfyUI writes them
# The matrices of sequential blocks (qkv to mlp.2) and of parallel ones (linear1, linear2).
MATRICES = ("qkv", "proj", "mlp.0", "mlp.2", "linear1", "linear2")
LAYERS = (*MATRICES, "mod")


@dataclass(frozen=True, kw_only=True)
class BranchLoRA:
    """The LoRA of one branch: layers of its blocks, and the share of α."""

    layers: tuple[str, ...] = MATRICES
    strength: float = 1.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.layers) - set(LAYERS))
        if unknown:
            raise JoVAError(
                f"Got the unknown LoRA layers {', '.join(unknown)}; use {', '.join(LAYERS)}."
            )
        if not 0 <= self.strength < math.inf:
            raise JoVAError(f"The strength of a LoRA branch is {self.strength}; give 0 or more.")


@dataclass(frozen=True, kw_only=True)
class LoRAConfig:
    """Rank, α and the branches. All values are ours."""

    rank: int = 16
    alpha: float = 16.0
    audio: BranchLoRA = field(default_factory=BranchLoRA)
    video: BranchLoRA = field(default_factory=BranchLoRA)

    def __post_init__(self) -> None:
        if not 1 <= self.rank <= 1024:
            raise JoVAError(f"The LoRA rank is {self.rank}; give a whole number from 1 to 1024.")
        if not 0 < self.alpha < math.inf:
            raise JoVAError(f"The LoRA alpha is {self.alpha}; give a number above 0.")

    def alpha_of(self, layer: str) -> float | None:
        """α of a layer such as "single_blocks.0.a.mlp.2", or None for a layer without LoRA."""
        place, _, *rest = layer.split(".", 3)
        if place not in ("double_blocks", "single_blocks") or len(rest) < 2:
            return None
        branch: BranchLoRA = getattr(self, MODALITY[branch_of(rest[0])])
        chosen = rest[1] in branch.layers and branch.strength > 0
        return self.alpha * branch.strength if chosen else None


class LoRALinear(nn.Module):
    """A frozen linear layer and its low-rank addition, which has no effect before training."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float, down: Tensor) -> None:
        super().__init__()
        self.base, self.scale = base, alpha / rank
        self.down = nn.Parameter(down.to(base.weight))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank).to(base.weight))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.scale * nn.functional.linear(
            nn.functional.linear(x, self.down), self.up
        )


def add_lora(model: nn.Module, config: LoRAConfig, seed: int = 0) -> None:
    """Freeze the network and put a LoRALinear in the place of every chosen layer.

    JoVAError for a config without layers.
    """
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    chosen = [(name, config.alpha_of(name)) for name in linear]
    if not any(alpha for _, alpha in chosen):
        raise JoVAError("This LoRA has no layers; choose some and a strength above 0.")
    for name, alpha in chosen:
        if alpha is None:
            continue
        owner, _, last = name.rpartition(".")
        parent, base = model.get_submodule(owner), model.get_submodule(name)
        # Kaiming's bound with a = √5, as in the first LoRA and in torch's own linear layers.
        bound = 1 / math.sqrt(base.in_features)
        down = torch.empty(config.rank, base.in_features).uniform_(
            -bound, bound, generator=generator
        )
        parent.register_module(last, LoRALinear(base, config.rank, alpha, down))


def lora_tensors(matrices: dict[str, Tensor], config: LoRAConfig) -> dict[str, Tensor]:
    """The trained `<layer>.down` and `<layer>.up` under the names of a LoRA file."""
    tensors = {}
    for name, value in matrices.items():
        layer, _, part = name.rpartition(".")
        tensors[f"{PREFIX}{layer}.lora_{part}.weight"] = value
        tensors[f"{PREFIX}{layer}.alpha"] = torch.tensor(config.alpha_of(layer))
    return tensors


def save_lora(
    path: Path, matrices: dict[str, Tensor], config: LoRAConfig, notes: dict[str, Any]
) -> None:
    """Write a LoRA whole or not at all; `notes` must be JSON."""
    about = {"format": FORMAT, "lora": json.dumps(asdict(config)), "notes": json.dumps(notes)}
    write_tensors(path, lora_tensors(matrices, config), about)


def load_lora(path: Path) -> dict[str, Tensor]:
    """The deltas of a LoRA file at strength 1, by layer: fp32 `[out, in]`.

    JoVAError for other files.
    """
    tensors, _ = read_tensors(path, "LoRA", "a LoRA (.safetensors) for JoVA")
    layers = {
        name.removeprefix(PREFIX).removesuffix(".lora_up.weight")
        for name in tensors
        if name.startswith(PREFIX) and name.endswith(".lora_up.weight")
    }
    deltas = {}
    for layer in sorted(layers):
        down = tensors.get(f"{PREFIX}{layer}.lora_down.weight")
        up = tensors[f"{PREFIX}{layer}.lora_up.weight"].float()
        if down is None or down.ndim != 2 or up.ndim != 2 or up.shape[1] != down.shape[0]:
            raise JoVAError(f"The LoRA {path} is damaged at {layer}; give another file.")
        alpha = float(tensors.get(f"{PREFIX}{layer}.alpha", torch.tensor(float(len(down)))))
        deltas[layer] = alpha / len(down) * up @ down.float()
    if not deltas:
        raise JoVAError(f"{path} is not a LoRA for JoVA; give a file from `jova train --lora`.")
    return deltas


def merge_lora(model: nn.Module, deltas: dict[str, Tensor], strength: float = 1.0) -> None:
    """Add a loaded LoRA to a network's weights in place; 0 leaves every bit of them.

    JoVAError for the LoRA of another network.
    """
    if strength == 0:
        return
    weights = dict(model.named_parameters())
    for layer, delta in deltas.items():
        weight = weights.get(f"{layer}.weight")
        if weight is None or weight.shape != delta.shape:
            raise JoVAError(
                f"This LoRA belongs to another network: {layer} is missing or has another shape; "
                "give the checkpoint of its training."
            )
        with torch.no_grad():
            weight += (strength * delta).to(weight)
