"""The noise schedule of sampling."""

import torch
from torch import Tensor

from ..errors import JoVAError
from .path import shift_sigma

TABLE = 1000


def simple_sigmas(steps: int, shift: float) -> Tensor:
    """`steps` + 1 descending sigmas from 1 to 0, evenly picked from a shifted 1000-entry table.

    This is ComfyUI's scheduler `simple` on ModelSamplingDiscreteFlow, so that the command line and
    the graph visit the same noise levels. Raises JoVAError for steps outside 1 … 1000.
    """
    if not 1 <= steps <= TABLE:
        raise JoVAError(f"Got {steps} sampling steps; expected 1 to {TABLE}.")
    table = shift_sigma(torch.arange(1, TABLE + 1, dtype=torch.float32) / TABLE, shift)
    # Rounded before the product, as ComfyUI does: for 38 steps and others this changes an entry.
    stride = TABLE / steps
    sigmas = [table[-(1 + int(i * stride))] for i in range(steps)]
    return torch.stack([*sigmas, torch.zeros(())])
