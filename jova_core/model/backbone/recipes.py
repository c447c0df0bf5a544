"""How each tensor of a JoVA is computed from a backbone's: the paper's recipe.

The video branch is the backbone. The audio branch is a copy of it with input and output projections
of its own. Text and time enter both branches through copies, too.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ...config import JoVAConfig
from ...errors import JoVAError
from .layouts import Layout
from .source import FLOATS, Source

# Our added embeddings have no second bias: theirs joins that of the time embedding, exactly.
_FOLDED = {
    "branches.v.time_in.out_layer.bias": (
        "branches.v.vector_in.out_layer.bias",
        "branches.v.guidance_in.out_layer.bias",
    ),
    "branches.v.text_in.0.time_in.out_layer.bias": ("branches.v.text_in.0.mean_in.out_layer.bias",),
}
_AUDIO = (
    ("branches.v.", "branches.a."),
    (".text_v.", ".text_a."),
    (".video.", ".audio."),
    (".v.", ".a."),
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One tensor to write: name, dtype as safetensors calls it, shape, and what fills it.

    reads: the backbone's tensors that it needs. fill gets an uninitialised tensor of the shape and
    writes it whole, with memory for at most one of the parts besides.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    reads: tuple[str, ...]
    fill: Callable[[Tensor], None]


class Backbone:
    """A checkpoint of a layout, by the names of the layout's table."""

    def __init__(self, source: Source, layout: Layout) -> None:
        self.source, self.layout = source, layout
        self.files = {layout.renamed(name): name for name in source.tensors}
        for name, stored in source.tensors.items():
            if stored.dtype not in FLOATS:
                raise JoVAError(
                    f"Got {source.path} with {stored.dtype} weights ({name}); expected bf16, fp16 "
                    "or fp32; give the checkpoint that was not quantised."
                )

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor; JoVAError where the checkpoint lacks it."""
        if name not in self.files:
            raise JoVAError(
                f"Got {self.source.path}, which lacks {name} of the layout {self.layout.name}; "
                "give a whole checkpoint."
            )
        return self.source.tensors[self.files[name]].shape

    def dtype(self, name: str) -> str:
        """The dtype of a tensor."""
        return self.source.tensors[self.files[name]].dtype

    def read(self, name: str, out: Tensor) -> None:
        """Fill contiguous `out` with a tensor."""
        self.source.read(self.files[name], out)

    def blocks(self, pattern: str) -> int:
        """How many blocks there are of names such as "double_blocks.{}.img_mod"."""
        start = re.escape(pattern.partition("{}")[0])
        found = [re.match(rf"{start}(\d+)\.", name) for name in self.files]
        return 1 + max((int(m[1]) for m in found if m), default=-1)


def video_recipes(backbone: Backbone, config: JoVAConfig) -> Iterator[Recipe]:
    """What the layout's table says of the video branch; its input and output projections too."""
    made = {}
    for ours, parts in _layers(backbone):
        biased = f"{parts[0][0]}.bias" in backbone.files
        for kind in ("weight", "bias") if biased else ("weight",):
            each = [(f"{name}.{kind}", change) for name, change in parts]
            name = f"{ours}.{kind}"
            made[name] = _stacked(name, each, backbone, config.head_dim)
    for name, added in _FOLDED.items():
        biases = [made.pop(other) for other in (name, *added) if other in made]
        if biases:
            made[name] = _summed(name, biases)
    yield from made.values()
    yield from _input(backbone, config)


def _layers(backbone: Backbone) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The layout's rules for every block that the checkpoint has."""
    layout = backbone.layout
    for ours, parts in layout.rules.items():
        count = backbone.blocks(parts[0][0]) if "{}" in ours else 1
        for i in range(count):
            named = [(name.replace("{}", str(i)), change) for name, change in parts]
            if ours not in layout.optional or f"{named[0][0]}.weight" in backbone.files:
                yield ours.replace("{}", str(i)), named


def audio_recipes(video: list[Recipe], config: JoVAConfig) -> Iterator[Recipe]:
    """The audio branch: a copy of the video branch with fresh projections."""
    for recipe in video:
        if not recipe.name.startswith(("branches.v.input", "branches.v.final.linear")):
            name = recipe.name
            for ours, theirs in _AUDIO:
                name = name.replace(ours, theirs)
            yield replace(recipe, name=name)
    width = config.audio.channels * config.audio_patch
    yield from fresh_projections("a", width, width, video[0].dtype, config.dim)


def fresh_projections(
    branch: str, channels_in: int, channels_out: int, dtype: str, dim: int
) -> Iterator[Recipe]:
    """Projections of a branch that no backbone has: Xavier in, 0 out, so its velocity starts at 0.

    As `initialise` makes them, each from the seed 0: the same on every machine and in every order.
    """
    shapes = {
        "input.weight": (dim, channels_in),
        "input.bias": (dim,),
        "final.linear.weight": (channels_out, dim),
        "final.linear.bias": (channels_out,),
    }
    for name, shape in shapes.items():
        fill = _xavier if name == "input.weight" else Tensor.zero_
        yield Recipe(
            name=f"branches.{branch}.{name}", dtype=dtype, shape=shape, reads=(), fill=fill
        )


def _xavier(out: Tensor) -> None:
    drawn = torch.empty(out.shape)
    nn.init.xavier_uniform_(drawn, generator=torch.Generator("cpu").manual_seed(0))
    out.copy_(drawn)


def _stacked(name: str, parts: list[tuple[str, str]], backbone: Backbone, head_dim: int) -> Recipe:
    """The rows of several tensors below each other, each changed in its own way."""
    shapes = [backbone.shape(part) for part, _ in parts]
    if len({shape[1:] for shape in shapes}) > 1:
        raise JoVAError(
            f"Got {backbone.source.path}, where {parts[0][0]} and {parts[1][0]} have the shapes "
            f"{shapes[0]} and {shapes[1]}; expected equal widths; give a whole checkpoint."
        )

    def fill(out: Tensor) -> None:
        rows = out.split([shape[0] for shape in shapes])
        for (part, change), target in zip(parts, rows, strict=True):
            backbone.read(part, target)
            if change:
                target.copy_(_CHANGES[change](target.clone(), head_dim))

    return Recipe(
        name=name,
        dtype=backbone.dtype(parts[0][0]),
        shape=(sum(shape[0] for shape in shapes), *shapes[0][1:]),
        reads=tuple(part for part, _ in parts),
        fill=fill,
    )


def _swap(rows: Tensor, _: int) -> Tensor:
    """Scale and shift → shift and scale."""
    return torch.cat(rows.chunk(2)[::-1])


def _pairs(rows: Tensor, head_dim: int) -> Tensor:
    """Of each head, rows i and i + d/2, which turn together → rows 2i and 2i + 1."""
    halves = rows.view(-1, 2, head_dim // 2, *rows.shape[1:])
    return halves.transpose(1, 2).reshape(rows.shape)


_CHANGES: dict[str, Callable[[Tensor, int], Tensor]] = {"swap": _swap, "pairs": _pairs}


def _summed(name: str, recipes: list[Recipe]) -> Recipe:
    """The sum of tensors of one shape, in fp32."""

    def fill(out: Tensor) -> None:
        total = torch.zeros(out.shape)
        for recipe in recipes:
            recipe.fill(out)
            total += out
        out.copy_(total)

    reads = tuple(part for recipe in recipes for part in recipe.reads)
    return replace(recipes[0], name=name, reads=reads, fill=fill)


def _input(backbone: Backbone, config: JoVAConfig) -> Iterator[Recipe]:
    """The input projection by the layout's columns; channels that the backbone lacks have zeros."""
    pieces = backbone.layout.columns
    layers = list(dict.fromkeys(layer for layer, *_ in pieces))
    shape = (config.dim, config.video_in_channels * config.patch[1] * config.patch[2])

    def fill(out: Tensor) -> None:
        out.zero_()
        done = 0
        for layer, first, last in pieces:
            whole = out.new_empty(config.dim, _columns(backbone, layer))
            backbone.read(f"{layer}.weight", whole)
            part = whole[:, first:last]
            out[:, done : done + part.shape[1]] = part
            done += part.shape[1]

    biases = [_stacked("", [(f"{layer}.bias", "")], backbone, config.head_dim) for layer in layers]
    yield Recipe(
        name="branches.v.input.weight",
        dtype=backbone.dtype(f"{layers[0]}.weight"),
        shape=shape,
        reads=tuple(f"{layer}.weight" for layer in layers),
        fill=fill,
    )
    yield _summed("branches.v.input.bias", biases)


def _columns(backbone: Backbone, layer: str) -> int:
    """Columns of a layer's weight, a convolution's kernel counted as columns."""
    return torch.Size(backbone.shape(f"{layer}.weight")[1:]).numel()


def channels_of(backbone: Backbone) -> int:
    """Channels of a patch that the backbone takes in: noisy latent, picture, mask."""
    layers = dict.fromkeys(layer for layer, *_ in backbone.layout.columns)
    return sum(_columns(backbone, layer) for layer in layers) // 4
