"""A checkpoint with the matrices of its blocks in 8 bits, written tensor by tensor.

Embeddings, projections to and from latents, norms and biases stay as they are.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..errors import JoVAError
from ..files import read_metadata
from .backbone.recipes import Recipe
from .backbone.source import DTYPES, FLOATS, Source
from .backbone.write import Progress, write_tensors
from .checkpoint import CORE_PREFIX, read_config
from .quantized import FORMATS, KINDS, NOTE, SCALE, WEIGHT, Format, Kind

_BLOCKS = ("double_blocks.", "single_blocks.")


def quantize(
    source: Path, target: Path, format_: Format, *, progress: Progress | None = None
) -> int:
    """Write a checkpoint with the blocks' matrices in 8 bits; how many matrices those are.

    Memory for about two tensors. A call after one that was killed goes on with its work.
    JoVAError for files that cannot be read or written, no JoVA, or one that is quantized already.
    """
    if format_ not in FORMATS:
        raise JoVAError(f"Got the format {format_!r}; expected {' or '.join(FORMATS)}.")
    read_config(source)
    read, kind = Source.of(source), KINDS[format_]
    if target.resolve() == source.resolve():
        raise JoVAError(f"Got {target} as source and as target; give the result another name.")
    for name, stored in read.tensors.items():
        if stored.dtype not in FLOATS and stored.dtype != "U8":
            raise JoVAError(
                f"Got {source} with {stored.dtype} weights ({name}); expected bf16, fp16 or fp32; "
                "give the checkpoint that was not quantized."
            )
    metadata = read_metadata(source, "checkpoint", "a JoVA checkpoint (.safetensors)")
    recipes = [recipe for name in read.tensors for recipe in _recipes(read, name, kind)]
    write_tensors(target, recipes, lambda _digest: metadata, progress)
    return sum(is_quantized(name, stored.shape) for name, stored in read.tensors.items())


def is_quantized(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor is a matrix of a block, which `quantize` stores in 8 bits."""
    inside = name.removeprefix(CORE_PREFIX).startswith(_BLOCKS)
    return inside and name.endswith(WEIGHT) and len(shape) == 2


def scale_of(weights: Tensor, kind: Kind) -> Tensor:
    """fp32 scale of `[N, K]`: its largest value, or each row's `[N, 1]`, over the format's."""
    largest = weights.abs().amax(1, keepdim=True).float()
    if kind.dtype != torch.int8:
        largest = largest.amax()
    return largest.clamp(min=1e-12) / kind.largest


def fill_numbers(weights: Tensor, scale: Tensor, kind: Kind, out: Tensor) -> None:
    """Write a matrix over its scale as 8-bit numbers, a row at a time."""
    for at, row in enumerate(weights):
        scaled = row.float() / (scale[at] if scale.ndim else scale)
        scaled = scaled.round() if kind.dtype == torch.int8 else scaled
        out[at] = scaled.clamp(-kind.largest, kind.largest).to(kind.dtype)


def _recipes(source: Source, name: str, kind: Kind) -> Iterator[Recipe]:
    """What becomes of one tensor: itself, or numbers, scale and the note that ComfyUI reads."""
    stored = source.tensors[name]
    if not is_quantized(name, stored.shape):
        yield _recipe(name, stored.dtype, stored.shape, partial(source.read, name))
        return
    layer = name.removesuffix(WEIGHT)
    note = json.dumps({"format": kind.core}).encode()
    written = torch.frombuffer(bytearray(note), dtype=torch.uint8)
    rows = (stored.shape[0], 1) if kind.dtype == torch.int8 else ()
    yield _recipe(name, kind.stored, stored.shape, partial(_numbers, source, name, kind))
    yield _recipe(layer + SCALE, "F32", rows, partial(_scale, source, name, kind))
    yield _recipe(layer + NOTE, "U8", tuple(written.shape), partial(_copy, written))


def _recipe(name: str, dtype: str, shape: tuple[int, ...], fill: partial) -> Recipe:
    return Recipe(name=name, dtype=dtype, shape=shape, reads=(), fill=fill)


def _copy(value: Tensor, out: Tensor) -> None:
    out.copy_(value)


def _scale(source: Source, name: str, kind: Kind, out: Tensor) -> None:
    out.copy_(scale_of(_read(source, name), kind))


def _numbers(source: Source, name: str, kind: Kind, out: Tensor) -> None:
    weights = _read(source, name)
    fill_numbers(weights, scale_of(weights, kind), kind, out)


def _read(source: Source, name: str) -> Tensor:
    stored = source.tensors[name]
    weights = torch.empty(stored.shape, dtype=DTYPES[stored.dtype])
    source.read(name, weights)
    return weights
