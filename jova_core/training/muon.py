"""Muon in a dtype of choice, all matrices of a shape at once.

torch.optim.Muon orthogonalises in bf16, matrix by matrix: on a CPU without fast bf16 products that
takes ten times as long as the rest of the step.
"""

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

# Keller Jordan's quintic iteration (kellerjordan.github.io/posts/muon), as in torch.optim.Muon.
COEFFICIENTS, ITERATIONS = (3.4445, -4.7750, 2.0315), 5


class Muon(Optimizer):
    """Nesterov momentum whose update is orthogonalised, for matrices and convolutions.

    Of a convolution each filter is a row.
    Its step has the RMS of an AdamW step of the same rate: 0.2 · √(larger side), from "Muon is
    Scalable for LLM Training" (arXiv 2502.16982). Only the orthogonalisation computes in `dtype`.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: float,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # noqa: ARG002  the interface of optimisers
        """One update of every parameter with a gradient."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes[parameter.flatten(1).shape].append(parameter)
            for shape, same in shapes.items():
                momenta = torch.stack([self._momentum(p, group).flatten(1) for p in same])
                updates = orthogonal(momenta.to(self.dtype)).to(momenta.dtype)
                torch._foreach_mul_(same, 1 - group["lr"] * group["weight_decay"])
                rate = group["lr"] * 0.2 * math.sqrt(max(shape))
                shaped = [update.view(p.shape) for update, p in zip(updates, same, strict=True)]
                torch._foreach_add_(same, shaped, alpha=-rate)

    def _momentum(self, parameter: Tensor, group: dict) -> Tensor:
        state, share = self.state[parameter], group["momentum"]
        buffer = state.setdefault("momentum_buffer", torch.zeros_like(parameter))
        buffer.lerp_(parameter.grad, 1 - share)
        return parameter.grad.lerp(buffer, share)


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices `[n, rows, columns]` with singular values near 1 and the same singular vectors.

    The iteration leaves them between about 0.7 and 1.2, which does no harm.
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
