"""The state of a run on disk: master weights, their average and the optimiser, bit for bit.

A state file is local to one run (safetensors + JSON, fp32); a checkpoint is what is shared.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from ..config import JoVAError
from ..files import atomic_write, read_tensors

FORMAT = "jova-train-state-1"


@dataclass(frozen=True, kw_only=True)
class TrainState:
    """Step number, fingerprint of the settings, and every tensor of the run by name."""

    step: int
    fingerprint: str
    tensors: dict[str, Tensor]


def save_state(path: Path, state: TrainState) -> None:
    """Write the state whole or not at all."""
    about = {"format": FORMAT, "step": str(state.step), "fingerprint": state.fingerprint}
    with atomic_write(path) as temporary:
        save_file({k: v.contiguous() for k, v in state.tensors.items()}, temporary, metadata=about)


def load_state(path: Path, fingerprint: str) -> TrainState:
    """Read a state; JoVAError if it is no state or belongs to other settings."""
    wanted = "a state.safetensors that `jova train` wrote"
    tensors, about = read_tensors(path, "training state", wanted)
    if about.get("format") != FORMAT:
        raise JoVAError(f"{path} is no training state; give the one beside the run's log.")
    if about["fingerprint"] != fingerprint:
        raise JoVAError(
            f"{path} was trained with other settings (then {about['fingerprint']}, now "
            f"{fingerprint}); resume with the same ones, or start a new run under another name."
        )
    return TrainState(step=int(about["step"]), fingerprint=fingerprint, tensors=tensors)


def optimizer_tensors(optimizers: list[Optimizer]) -> dict[str, Tensor]:
    """Every state tensor of the optimisers as `optim.<n>.<parameter>.<field>`."""
    return {
        f"optim.{n}.{parameter}.{field}": torch.as_tensor(value)
        for n, optimizer in enumerate(optimizers)
        for parameter, fields in optimizer.state_dict()["state"].items()
        for field, value in fields.items()
    }


def restore_optimizers(optimizers: list[Optimizer], tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`."""
    for n, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Any]] = {}
        for name, value in tensors.items():
            kind, *where = name.split(".", 3)
            if kind == "optim" and int(where[0]) == n:
                state.setdefault(int(where[1]), {})[where[2]] = value
        full = optimizer.state_dict()
        optimizer.load_state_dict({**full, "state": state})


def settings_fingerprint(*parts: Any) -> str:
    """A short digest of everything that decides the numbers of a run."""
    from hashlib import sha256

    text = json.dumps([str(part) for part in parts])
    return sha256(text.encode()).hexdigest()[:12]
