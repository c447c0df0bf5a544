"""Weights in 8 bits as ComfyUI's files hold them, and back: fp8 scaled and int8.

A matrix W is stored as 8-bit numbers Q and a scale, W ≈ scale · Q: one scale for a matrix in float8
E4M3 (Micikevicius et al., arXiv 2209.05433), one for each row in int8, symmetric about 0. Beside
`….weight` stand `….weight_scale` and `….comfy_quant`, which names the format.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import JoVAError

Format = Literal["fp8_scaled", "int8"]
FORMATS: tuple[Format, ...] = get_args(Format)
WEIGHT, SCALE, NOTE = ".weight", ".weight_scale", ".comfy_quant"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A format: ComfyUI's name for it, its dtype here and in the file, its largest number."""

    core: str
    dtype: torch.dtype
    stored: str
    largest: float


KINDS: dict[str, Kind] = {
    "fp8_scaled": Kind(
        core="float8_e4m3fn", dtype=torch.float8_e4m3fn, stored="F8_E4M3", largest=448.0
    ),
    "int8": Kind(core="int8_tensorwise", dtype=torch.int8, stored="I8", largest=127.0),
}


def dequantized(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by name with every 8-bit matrix in fp32 again; others as they are.

    JoVAError for formats that `quantize` does not write.
    """
    left = dict(tensors)
    for name in tensors:
        if not name.endswith(NOTE):
            continue
        layer = name.removesuffix(NOTE)
        core = json.loads(bytes(left.pop(name).tolist())).get("format")
        if core not in {kind.core for kind in KINDS.values()}:
            raise JoVAError(
                f"Got {layer} in the format {core}; expected fp8 scaled or int8: load this file in "
                "ComfyUI, or give the checkpoint that was not quantized."
            )
        scale = left.pop(layer + SCALE)
        left[layer + WEIGHT] = left[layer + WEIGHT].float() * scale.float()
    return left
