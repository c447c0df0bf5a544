"""`jova join`: the video branch of one checkpoint with the audio branch of another."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..files import check_target
from ..model.branches import join_branches
from .console import result


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova join`."""
    add = parser.add_argument
    add("video", type=Path, help="checkpoint whose video branch is taken, and its notes")
    add("audio", type=Path, help="checkpoint of the same config whose audio branch is taken")
    add("out", type=Path, help="checkpoint to write")


def run(options: Namespace) -> None:
    """Join two checkpoints. Raises JoVAError."""
    check_target(options.out)
    join_branches(options.video, options.audio, options.out)
    result(str(options.out))
