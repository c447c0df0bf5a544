"""Modulation computed once for a whole schedule, so that its weights can leave the device.

A block's factors follow from the time embedding alone, yet its modulation layers hold a third of
all weights. `prepare` fills a table for the times that will come, `release` moves the layers away;
a time that was not foreseen is computed where the layers are, and kept.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..config import JoVAConfig, JoVAError
from .block import Attend, Block, modulation
from .joint import Joint
from .jova import JoVA


class ModulationTable:
    """A `run` for `JoVA.forward` that takes every block's factors from a table."""

    def __init__(self) -> None:
        self._factors: dict[tuple[tuple[str, int], bytes], Tensor] = {}
        self._seen: tuple[Joint, bytes] | None = None

    def __call__(
        self, block: Block, place: tuple[str, int], x: Tensor, joint: Joint, attend: Attend
    ) -> Tensor:
        """The block with factors out of the table."""
        return block(x, replace(joint, factors=self._of(block, place, joint)), attend)

    @torch.no_grad()
    def prepare(self, model: JoVA, calls: Iterable[tuple[Any, ...]]) -> None:
        """Fill in what these calls need; each holds the positional arguments of `model`.

        Nothing but the embeddings of time and text is computed besides.
        """

        def skip(
            block: Block, place: tuple[str, int], x: Tensor, joint: Joint, _: Attend
        ) -> Tensor:
            self._of(block, place, joint)
            return x

        for arguments in calls:
            model(*arguments, run=skip)

    def release(self, model: JoVA, device: str = "cpu") -> int:
        """Move the modulation layers of all blocks to a device; returns how many bytes they are.

        On "cpu" they still serve times that were not foreseen; "meta" drops them for good.
        """
        layers = modulation_layers(model)
        for layer in layers:
            layer.to(device)
        return sum(p.numel() * p.element_size() for layer in layers for p in layer.parameters())

    @property
    def nbytes(self) -> int:
        """Bytes that the table holds."""
        return sum(factors.numel() * factors.element_size() for factors in self._factors.values())

    def _of(self, block: Block, place: tuple[str, int], joint: Joint) -> Tensor:
        key = (place, self._key(joint))
        if key not in self._factors:
            streams = [block[name] for name in joint.rows]
            home = streams[0].mod.weight.device
            if home.type == "meta":
                raise JoVAError(
                    "A time came that the modulation table does not hold, and the layers that "
                    "would compute it were dropped; prepare it for the whole schedule."
                )
            device = next(iter(joint.vec.values())).device
            vec = {name: part.to(home) for name, part in joint.vec.items()}
            self._factors[key] = modulation(streams, replace(joint, vec=vec)).to(device)
        return self._factors[key]

    def _key(self, joint: Joint) -> bytes:
        """A digest of the time embeddings of a forward pass."""
        if self._seen is None or self._seen[0] is not joint:
            digest = hashlib.sha256()
            for name, vec in joint.vec.items():
                digest.update(name.encode() + str(tuple(vec.shape)).encode())
                digest.update(vec.detach().float().cpu().numpy().tobytes())
            self._seen = (joint, digest.digest())
        return self._seen[1]


def modulation_layers(model: JoVA) -> list[torch.nn.Module]:
    """The layers of all blocks that turn time into factors."""
    blocks = [*model.double_blocks, *model.single_blocks]
    return [stream.mod for block in blocks for stream in block.values()]


def modulation_parameters(config: JoVAConfig) -> int:
    """How many weights those layers have; nothing is allocated."""
    with torch.device("meta"):
        layers = modulation_layers(JoVA(config))
    return sum(p.numel() for layer in layers for p in layer.parameters())
