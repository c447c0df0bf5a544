"""`jova data`: render the mini data set, and encode it for training."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..codecs.checkpoint import load_codecs
from ..minidata.dataset import load_dataset, make_mini
from ..mouth.cache import cache_masks
from ..mouth.landmarks import find_landmarker
from ..pipeline import MINI_CODECS
from ..training.data import MASKS, encode_dataset
from .console import Bar, result


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova data make-mini` and `jova data encode`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    make = actions.add_parser("make-mini", help="draw speaking characters (needs espeak-ng)")
    make.add_argument("folder", type=Path)
    make.add_argument("--clips", type=int, default=6000, help="training clips (default 6000)")
    make.add_argument("--held-out", type=int, default=240, help="held-out clips (default 240)")
    make.add_argument("--unseen", type=int, default=240, help="clips of other words (default 240)")
    make.add_argument("--seed", type=int, default=0)
    make.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    encode = actions.add_parser("encode", help="latents by the codecs, mouth masks by MediaPipe")
    encode.add_argument("folder", type=Path)
    encode.add_argument("--codecs", type=Path, default=MINI_CODECS)
    encode.add_argument("--workers", type=int, default=os.cpu_count() or 1)


def run(options: Namespace) -> None:
    """Render or encode. Raises JoVAError."""
    if options.action == "make-mini":
        with Bar("render", "clip") as progress:
            dataset = make_mini(
                options.folder,
                clips=options.clips,
                held_out_clips=options.held_out,
                unseen_clips=options.unseen,
                seed=options.seed,
                workers=options.workers,
                progress=progress,
            )
        result(f"{options.folder}: {len(dataset.clips)} clips")
        return
    dataset, codecs = load_dataset(options.folder), load_codecs(options.codecs)
    # What the second half needs is looked for before the first.
    find_landmarker()
    with Bar("encode", "clip") as progress:
        encode_dataset(dataset, codecs, progress=progress)
    with Bar("mouths", "clip") as progress:
        cache_masks(dataset, options.folder / MASKS, workers=options.workers, progress=progress)
    result(f"{options.folder}: latents and mouth masks of {len(dataset.clips)} clips")
