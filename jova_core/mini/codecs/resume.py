"""The state of a codec run on disk, so that it goes on after a stop as if there had been none."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ...files import read_tensors, write_tensors
from ...training.state import optimizer_tensors, restore_optimizers

_KIND = ("state of a codec run", "a file that `jova train-codecs` left beside its target")


@dataclass(frozen=True, kw_only=True)
class CodecRun:
    """What a run changes as it goes: networks by name, their optimizers, the averaged weights."""

    networks: Mapping[str, nn.Module]
    optimizers: list[Optimizer]
    average: list[Tensor]

    def save(self, path: Path, step: int, seconds: float) -> None:
        """Write the state after `step` steps that took `seconds`."""
        counted = {"step": str(step), "seconds": repr(seconds)}
        write_tensors(path, self._weights() | optimizer_tensors(self.optimizers), counted)

    @torch.no_grad()
    def load(self, path: Path) -> tuple[int, float]:
        """Take over a saved state; its steps and seconds. JoVAError: it cannot be read."""
        stored, counted = read_tensors(path, *_KIND)
        restore_optimizers(self.optimizers, stored)
        for name, tensor in self._weights().items():
            tensor.copy_(stored[name])
        return int(counted["step"]), float(counted["seconds"])

    def _weights(self) -> dict[str, Tensor]:
        weights = {f"average.{index}": value for index, value in enumerate(self.average)}
        for name, network in self.networks.items():
            weights |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
        return weights
