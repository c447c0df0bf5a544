"""The weights of a run: fp32 masters, their moving average (EMA) and the optimisers.

The network computes with a copy in the dtype of the settings; a LoRA's masters are its own weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..errors import JoVAError
from ..model.jova import JoVA
from ..model.lora import MATRICES
from .distributed import Distributed
from .muon import Muon
from .settings import TrainSettings
from .sharding import gather, local_shard, shard, total_norm
from .state import TrainState, optimizer_tensors, restore_optimizers

# For Muon: the square and MLP matrices of every block, the refiner's included.
_MATRICES = tuple(f".{name}.weight" for name in MATRICES)
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


class Weights:
    """The trainable weights of a model in fp32, by name; each process has its shard of them."""

    def __init__(self, model: JoVA, settings: TrainSettings, distributed: Distributed) -> None:
        self.model, self.settings = model, settings
        initial = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
        # Rounded first: a frozen network never lies on the device in fp32.
        model.to(DTYPES[settings.dtype]).to(distributed.device)
        self.network = distributed.wrap(model, shard=settings.shard)
        self.split = settings.shard and distributed.count > 1
        self.parameters = {n: p for n, p in model.named_parameters() if n in initial}
        self.masters = {n: shard(initial[n].to(p.device), p) for n, p in self.parameters.items()}
        self.ema = {name: p.clone() for name, p in self.masters.items()}
        self.optimizers = make_optimizers(self.masters, settings)
        self.sync()

    def take_gradients(self) -> Tensor:
        """Gradients of the computing copy → clipped fp32 ones of the masters; their norm before.

        A weight without gradient keeps none: Muon would make a full step of its momentum.
        """
        for name, parameter in self.parameters.items():
            grad = None if parameter.grad is None else local_shard(parameter.grad)
            self.masters[name].grad = None if grad is None else grad.float()
            parameter.grad = None
        masters = list(self.masters.values())
        grads = [p.grad for p in masters if p.grad is not None]
        norm = total_norm(grads, split=self.split)
        torch.nn.utils.clip_grads_with_norm_(masters, self.settings.clip_norm, norm)
        return norm

    def optimizer_step(self, step: int, rate: float) -> None:
        """One step of the optimisers, at this learning rate, and of the EMA."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        decay = min(self.settings.ema, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(self.ema.values()), list(self.masters.values()), 1 - decay)
        self.sync()

    def sync(self, ema: bool = False) -> None:
        """Round the masters, or their EMA, into the network."""
        source = self.ema if ema else self.masters
        with torch.no_grad():
            targets = [local_shard(parameter) for parameter in self.parameters.values()]
            torch._foreach_copy_(targets, list(source.values()))

    @contextmanager
    def ema_model(self) -> Iterator[JoVA]:
        """A context with the EMA weights in the network; afterwards the masters' are back."""
        self.sync(ema=True)
        try:
            yield self.model
        finally:
            self.sync()

    def gather(self) -> dict[str, Tensor]:
        """Every tensor of the run's state; all processes call it together."""
        parts = {f"master.{name}": p for name, p in self.masters.items()}
        parts |= {f"average.{name}": p for name, p in self.ema.items()}
        parts |= optimizer_tensors(self.optimizers)
        return {name: self._gather(name, value) for name, value in parts.items()}

    def restore(self, state: TrainState) -> None:
        """The inverse of `gather`."""
        for kind, values in (("master", self.masters), ("average", self.ema)):
            for name, value in values.items():
                value.copy_(shard(state.tensors[f"{kind}.{name}"], self.parameters[name]))
        optim = {
            name: shard(value, self._like(name)) if value.ndim else value
            for name, value in state.tensors.items()
            if name.startswith("optim.")
        }
        restore_optimizers(self.optimizers, optim)
        self.sync()

    def _gather(self, name: str, value: Tensor) -> Tensor:
        return gather(value, self._like(name)) if value.ndim else value

    def _like(self, name: str) -> Tensor:
        """The parameter of a tensor of `gather`."""
        kind, rest = name.split(".", 1)
        if kind != "optim":
            return self.parameters[rest]
        number, index, _ = rest.split(".", 2)
        master = self.optimizers[int(number)].param_groups[0]["params"][int(index)]
        return next(self.parameters[n] for n, p in self.masters.items() if p is master)


def make_optimizers(masters: dict[str, Tensor], settings: TrainSettings) -> list[Optimizer]:
    """AdamW for everything, or Muon for the matrices inside blocks and AdamW for the rest.

    JoVAError for adamw8bit without bitsandbytes.
    """
    inner = [
        p
        for name, p in masters.items()
        if settings.optimizer == "muon" and name.endswith(_MATRICES)
    ]
    chosen = {id(p) for p in inner}
    rest = [p for p in masters.values() if id(p) not in chosen]
    optimizers: list[Optimizer] = [_adamw(rest, settings)]
    if inner:
        optimizers.append(
            Muon(
                inner,
                lr=settings.learning_rate,
                weight_decay=settings.weight_decay,
                dtype=DTYPES[settings.dtype],
            )
        )
    return optimizers


def _adamw(parameters: list[Tensor], settings: TrainSettings) -> Optimizer:
    options = {"lr": settings.learning_rate, "betas": (0.9, 0.99)}
    options["weight_decay"] = settings.weight_decay
    if settings.optimizer != "adamw8bit":
        return torch.optim.AdamW(parameters, fused=True, **options)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise JoVAError(
            "The optimiser adamw8bit needs the package bitsandbytes; install it with "
            "`pip install bitsandbytes`, or use adamw."
        ) from error
    return AdamW8bit(parameters, **options)
