"""Weights split among processes (torch's FSDP2), seen as plain tensors: each process's local shard.

A `like` is the network's parameter: a DTensor for split weights, else a plain tensor, for which
everything here is the identity.
"""

from typing import Any

import torch
from torch import Tensor, nn


def shard_blocks(model: nn.Module, blocks: list[nn.Module], device: torch.device) -> None:
    """Split the parameters of every block, and the rest, by rows among all processes, in place.

    A block's weights are gathered only while it runs.
    """
    from torch.distributed import get_world_size
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (get_world_size(),))
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)


def local_shard(value: Tensor) -> Tensor:
    """The part of a parameter or gradient in this process, sharing its memory."""
    return value.to_local() if hasattr(value, "to_local") else value


def shard(value: Tensor, like: Tensor) -> Tensor:
    """This process's shard of a full tensor, split as `like` is."""
    if not hasattr(like, "to_local"):
        return value
    from torch.distributed.tensor import distribute_tensor

    value = value.to(like.device)
    return distribute_tensor(value, like.device_mesh, like.placements).to_local().clone()


def gather(local: Tensor, like: Tensor) -> Tensor:
    """The inverse of `shard`; all processes call it together."""
    if not hasattr(like, "to_local"):
        return local
    from torch.distributed.tensor import DTensor

    about: dict[str, Any] = {"shape": like.shape, "stride": like.stride()}
    split = DTensor.from_local(local, like.device_mesh, like.placements, **about)
    return split.full_tensor()


def total_norm(gradients: list[Tensor], *, split: bool) -> Tensor:
    """The 2-norm over all gradients, including those of other processes if they are split."""
    norm = torch.nn.utils.get_total_norm(gradients)
    if split:
        from torch.distributed import all_reduce

        squared = norm.square()
        all_reduce(squared)
        norm = squared.sqrt()
    return norm
