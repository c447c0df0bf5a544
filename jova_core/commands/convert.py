"""`jova convert`: the first checkpoint of a JoVA from a public video backbone."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import get_args

from ..model.backbone import Latents, convert
from .console import Bar, note, result


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova convert`."""
    add = parser.add_argument
    add(
        "source",
        type=Path,
        help="HunyuanVideo (original, diffusers or ComfyUI names) or Open-Sora 2.0: a .safetensors "
        "file, the .index.json of its shards, or their folder",
    )
    add("out", type=Path, help="checkpoint to write; a stopped run continues where it left off")
    add(
        "--latents",
        choices=get_args(Latents),
        default="keep",
        help="keep: the backbone's own VAE, good pictures from the start; wan2.1: new video "
        "projections for Wan2.1 latents, which need training first (default keep)",
    )
    add("--licence", help="licence of the weights, if not the backbone's usual one")


def run(options: Namespace) -> None:
    """Convert one checkpoint. Raises JoVAError."""
    note("Hashing the backbone's files.")
    with Bar("convert", "tensor") as progress:
        conversion = convert(
            options.source,
            options.out,
            latents=options.latents,
            licence=options.licence,
            progress=progress,
        )
    if conversion.found:
        note(f"Reused {conversion.found} tensors of an earlier run.")
    note(f"Licence of the weights: {conversion.notes['licence']}.")
    result(str(options.out))
