"""LoRA: low-rank additions to chosen layers, trained alone, in files that ComfyUI's loaders read.

A layer's weight W `[out, in]` becomes W + s · α / rank · up @ down (Hu et al., arXiv 2106.09685).
"""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..config import JoVAError
from ..files import atomic_write, read_tensors

FORMAT = "jova-lora-1"
PREFIX = "diffusion_model."  # before the layer names, as ComfyUI writes them
LAYERS = ("qkv", "proj", "mlp.0", "mlp.2", "mod")
# The streams whose weights belong to each branch.
BRANCHES = {"audio": ("audio", "text_a", "a"), "video": ("video", "text_v", "v")}


@dataclass(frozen=True, kw_only=True)
class BranchLoRA:
    """What is added to one branch: which layers of its blocks, and how much of α."""

    layers: tuple[str, ...] = ("qkv", "proj", "mlp.0", "mlp.2")
    strength: float = 1.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.layers) - set(LAYERS))
        if unknown:
            raise JoVAError(
                f"LoRA cannot go into {', '.join(unknown)}; allowed are {', '.join(LAYERS)}."
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
            raise JoVAError(f"The LoRA alpha is {self.alpha}; give one above 0.")

    def alpha_of(self, layer: str) -> float | None:
        """α of a layer such as "single_blocks.0.a.mlp.2", or None where nothing is added."""
        place, *rest = layer.split(".", 3)
        if place not in ("double_blocks", "single_blocks") or len(rest) < 3:
            return None
        for name, streams in BRANCHES.items():
            branch: BranchLoRA = getattr(self, name)
            if rest[1] in streams and rest[2] in branch.layers and branch.strength > 0:
                return self.alpha * branch.strength
        return None


class LoRALinear(nn.Module):
    """A frozen linear layer and what is added to it; without effect until it is trained."""

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

    JoVAError where the config chooses none.
    """
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    chosen = [(name, config.alpha_of(name)) for name in linear]
    if not any(alpha for _, alpha in chosen):
        raise JoVAError("This LoRA adds to no layer; choose layers and a strength above 0.")
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


def lora_tensors(trained: dict[str, Tensor], config: LoRAConfig) -> dict[str, Tensor]:
    """The trained `<layer>.down` and `<layer>.up` under the names of a LoRA file."""
    tensors = {}
    for name, value in trained.items():
        layer, _, part = name.rpartition(".")
        tensors[f"{PREFIX}{layer}.lora_{part}.weight"] = value
        tensors[f"{PREFIX}{layer}.alpha"] = torch.tensor(config.alpha_of(layer))
    return tensors


def save_lora(
    path: Path, trained: dict[str, Tensor], config: LoRAConfig, notes: dict[str, Any]
) -> None:
    """Write a LoRA whole or not at all; `notes` must be JSON."""
    about = {"format": FORMAT, "lora": json.dumps(asdict(config)), "notes": json.dumps(notes)}
    tensors = {k: v.contiguous() for k, v in lora_tensors(trained, config).items()}
    with atomic_write(Path(path)) as temporary:
        save_file(tensors, temporary, metadata=about)


def load_lora(path: Path) -> dict[str, Tensor]:
    """What a LoRA file adds at strength 1, by layer: fp32 `[out, in]`.

    JoVAError for other files.
    """
    tensors, _ = read_tensors(path, "LoRA", "a LoRA (.safetensors) for JoVA")
    layers = {
        name.removeprefix(PREFIX).removesuffix(".lora_up.weight")
        for name in tensors
        if name.startswith(PREFIX) and name.endswith(".lora_up.weight")
    }
    added = {}
    for layer in sorted(layers):
        down = tensors.get(f"{PREFIX}{layer}.lora_down.weight")
        up = tensors[f"{PREFIX}{layer}.lora_up.weight"].float()
        if down is None or down.ndim != 2 or up.ndim != 2 or up.shape[1] != down.shape[0]:
            raise JoVAError(f"The LoRA {path} is damaged at {layer}; give another file.")
        alpha = float(tensors.get(f"{PREFIX}{layer}.alpha", torch.tensor(float(len(down)))))
        added[layer] = alpha / len(down) * up @ down.float()
    if not added:
        raise JoVAError(f"{path} is no LoRA for JoVA; give one that `jova train --lora` wrote.")
    return added


def merge_lora(model: nn.Module, added: dict[str, Tensor], strength: float = 1.0) -> None:
    """Add a loaded LoRA to a network's weights in place; 0 leaves every bit of them.

    JoVAError where it was made for another network.
    """
    if strength == 0:
        return
    weights = dict(model.named_parameters())
    for layer, delta in added.items():
        weight = weights.get(f"{layer}.weight")
        if weight is None or weight.shape != delta.shape:
            raise JoVAError(
                f"This LoRA was made for another network: {layer} is missing or has another shape; "
                "give the checkpoint it was trained on."
            )
        with torch.no_grad():
            weight += (strength * delta).to(weight)
