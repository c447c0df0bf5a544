"""One training process, or one of many that `accelerate launch` started (Hugging Face Accelerate).

Every process draws its share of the same batch, gradients are averaged by DistributedDataParallel,
and all move the same weights; only the first writes. So the number of processes changes nothing in
the run, and its files go on with any other number.
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
    """Which process this is, of how many, and where it computes."""

    rank: int
    count: int
    device: torch.device
    accelerator: Any = None

    @staticmethod
    def join(device: torch.device | None = None) -> "Distributed":
        """This process alone, or together with those it was launched with.

        Alone it computes on `device`, by default the first GPU where there is one. JoVAError where
        it was launched among others and Accelerate is missing.
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
        # Steps of the voice alone leave the video branch without gradients.
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
        """Which samples of a batch are this process's. JoVAError if it does not divide."""
        if batch % self.count:
            raise JoVAError(
                f"A batch of {batch} clips does not divide among {self.count} processes; "
                f"give --batch a multiple of {self.count}."
            )
        size = batch // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def wrap(self, model: JoVA, *, shard: bool) -> Callable[..., Any]:
        """The network as it is called: its gradients become those of the whole batch.

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
        """Whether it holds in any process."""
        if self.accelerator is None:
            return flag
        told = torch.tensor([float(flag)], device=self.device)
        return bool(self.gather(told).any())

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()
