"""The state of a codec run on disk, so that it goes on after a stop as if there had been none."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ...files import read_tensors, write_tensors

_KIND = ("state of a codec run", "a file that `jova train-codecs` left beside its target")


@dataclass(frozen=True, kw_only=True)
class CodecRun:
    """What a run changes as it goes: networks and optimizers by name, and the averaged weights."""

    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    average: list[Tensor]

    def save(self, path: Path, step: int, seconds: float) -> None:
        """Write the state after `step` steps that took `seconds`."""
        counted = {"step": str(step), "seconds": repr(seconds)}
        write_tensors(path, self._tensors(), counted)

    @torch.no_grad()
    def load(self, path: Path) -> tuple[int, float]:
        """Take over a saved state; its steps and seconds. JoVAError: it cannot be read."""
        stored, counted = read_tensors(path, *_KIND)
        for name, optimizer in self.optimizers.items():
            _prepare(optimizer, name, stored)
        for name, tensor in self._tensors().items():
            tensor.copy_(stored[name])
        return int(counted["step"]), float(counted["seconds"])

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"average.{index}": value for index, value in enumerate(self.average)}
        for name, network in self.networks.items():
            tensors |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            for index, parameter in enumerate(_parameters(optimizer)):
                kept = optimizer.state[parameter]
                tensors |= {f"{name}.{index}.{key}": value for key, value in kept.items()}
        return tensors


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _prepare(optimizer: Optimizer, name: str, stored: Mapping[str, Tensor]) -> None:
    """Give a fresh optimizer the tensors that it makes at its first step."""
    for index, parameter in enumerate(_parameters(optimizer)):
        prefix = f"{name}.{index}."
        kept = {
            k.removeprefix(prefix): v.clone() for k, v in stored.items() if k.startswith(prefix)
        }
        optimizer.state[parameter] = kept
