"""One training process, alone or among many of `accelerate launch` (Hugging Face Accelerate).

Every process draws its share of the same batch, gradients are averaged by DistributedDataParallel,
and all update the same weights; only the first writes. So the number of processes changes nothing
in the run, and it can be resumed with any other number.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import JoVAError
from ..model.jova import JoVA
from .sharding import shard_blocks


@dataclass(frozen=True, kw_only=True)
class Distributed:
    """Rank, count and device of this process."""

    rank: int
    count: int
    device: torch.device
    accelerator: Any = None

    @staticmethod
    def join(device: torch.device | None = None) -> "Distributed":
        """This process alone, or together with the others of its launch.

        Alone it computes on `device`, by default the first GPU, or the CPU without one. JoVAError
        for a launch of several processes without Accelerate.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
            return Distributed(rank=0, count=1, device=device)
        try:
            from accelerate import Accelerator, DistributedDataParallelKwargs
        except ImportError as error:
            raise JoVAError(
                "Training in several processes needs Hugging Face Accelerate; install it with "
                "`pip install accelerate`."
            ) from error
        # Steps of audio alone leave the video branch without gradients.
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        accelerator = Accelerator(
            cpu=not torch.cuda.is_available(), kwargs_handlers=[unused], mixed_precision="no"
        )
        return Distributed(
            rank=accelerator.process_index,
            count=accelerator.num_processes,
            device=accelerator.device,
            accelerator=accelerator,
        )

    @property
    def first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """This process's samples of a batch. JoVAError if it does not divide evenly."""
        if batch % self.count:
            raise JoVAError(
                f"Got a batch of {batch} clips for {self.count} processes; set --batch to a "
                f"multiple of {self.count}."
            )
        size = batch // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def wrap(self, model: JoVA, *, shard: bool) -> Callable[..., Any]:
        """The network to call: its gradients become those of the whole batch.

        `shard` splits its weights among the processes, block by block, in place.
        """
        if self.accelerator is None:
            return model
        if shard:
            blocks = [*model.double_blocks, *model.single_blocks]
            shard_blocks(model, blocks, self.device)
            return model
        return self.accelerator.prepare_model(model)

    def gather(self, value: Tensor) -> Tensor:
        """A per-sample value `[B / count]` of every process as `[B]`, in the batch's order."""
        return value if self.accelerator is None else self.accelerator.gather(value)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.accelerator is None:
            return flag
        local = torch.tensor([float(flag)], device=self.device)
        return bool(self.gather(local).any())

    def wait(self) -> None:
        """Wait for all processes."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()
