"""The training of every judge: seeded weights, batches of equal length, AdamW on one cycle."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)
Progress = Callable[[int, int, float], None]


def seeded(make: Callable[[], Module], seed: int) -> Module:
    """The module of `make`, with first weights from `seed`."""
    # Layers know only torch's global generator: lend it the seed and put its state back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def minimise(
    model: Module, loss: Callable[[], Tensor], *, steps: int, progress: Progress | None = None
) -> Module:
    """Lower `loss()` for `steps` steps; `progress(step, steps, loss)` after each of them."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    model.train()
    for step in range(steps):
        value = loss()
        optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if progress:
            progress(step + 1, steps, float(value.detach()))
    return model.eval()


def same_length_batches(
    mels: Sequence[Tensor], batch: int, generator: torch.Generator
) -> Iterator[list[int]]:
    """Endless batches of clip numbers, each of one length, so that nothing is padded."""
    groups = defaultdict(list)
    for i, mel in enumerate(mels):
        groups[mel.shape[1]].append(i)
    pools = list(groups.values())
    sizes = torch.tensor([len(pool) for pool in pools], dtype=torch.float)
    while True:
        pool = pools[int(torch.multinomial(sizes, 1, generator=generator))]
        chosen = torch.randperm(len(pool), generator=generator)[:batch]
        yield [pool[i] for i in chosen]
