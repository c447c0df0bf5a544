"""The error of 8-bit weights: on matrices of the 3.2 B preset's shapes, and on the mini's clips.

    python experiments/quantize.py layers          # prints the first table as JSON
    python experiments/quantize.py mini DATA PROMPTS   # words and sync of the mini in each format

DATA is a folder of `jova data make-mini`, PROMPTS how many of its held-out prompts to use.

Matrices are Gaussian in bf16, with a deviation of one over the root of their inputs, as trained
ones nearly are; inputs are Gaussian too. The error is relative: RMS of the difference over RMS.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from jova_core.__main__ import main as jova
from jova_core.mini import MINI
from jova_core.model.quantize import fill_numbers, quantize, scale_of
from jova_core.model.quantized import FORMATS, KINDS
from jova_core.presets import PRESETS

ROWS = 512


def shapes() -> dict[str, tuple[int, int]]:
    """Outputs and inputs of each kind of matrix in a block of jova_3b2."""
    dim = PRESETS["jova_3b2"].dim
    wide = round(dim * PRESETS["jova_3b2"].mlp_ratio)
    named = {"mod": 6 * dim, "qkv": 3 * dim, "proj": dim, "mlp up": wide}
    return {name: (out, dim) for name, out in named.items()} | {"mlp down": (dim, wide)}


def errors(shape: tuple[int, int], seed: int = 0) -> dict[str, dict[str, float]]:
    """Relative errors of a matrix and of its outputs, by format."""
    generator = torch.Generator().manual_seed(seed)
    weights = (torch.randn(shape, generator=generator) / shape[1] ** 0.5).bfloat16()
    inputs = torch.randn(ROWS, shape[1], generator=generator)
    found = {}
    for name in FORMATS:
        kind = KINDS[name]
        numbers, scale = torch.empty(shape, dtype=kind.dtype), scale_of(weights, kind)
        fill_numbers(weights, scale, kind, numbers)
        again, plain = numbers.float() * scale, weights.float()
        outputs = relative(inputs @ again.T, inputs @ plain.T)
        found[name] = {"weights": relative(again, plain), "outputs": outputs}
    return found


def relative(got: Tensor, wanted: Tensor) -> float:
    """RMS of the difference over RMS."""
    return float((got - wanted).square().mean().sqrt() / wanted.square().mean().sqrt())


def layers() -> None:
    """Print the errors of every shape."""
    print(json.dumps({name: errors(shape) for name, shape in shapes().items()}, indent=1))  # noqa: T201


def mini(data: str, prompts: str) -> None:
    """Run `jova eval-mini` on the bundled checkpoint and on each format of it."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("bf16", *FORMATS):
            path = MINI if name == "bf16" else Path(folder) / f"{name}.safetensors"
            if path != MINI:
                quantize(MINI, path, name)
            print(name, flush=True)  # noqa: T201
            jova(["eval-mini", data, "--checkpoint", str(path), "--limit", prompts])


if __name__ == "__main__":
    {"layers": layers, "mini": mini}[sys.argv[1]](*sys.argv[2:])
