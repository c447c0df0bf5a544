"""The command `jova`."""

import os

# Threads that spin while they wait take the cores from each other: beside two busy programs a clip
# took seven times as long on two cores, and on idle ones no less.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from . import __version__
from .bench import cli as bench
from .commands import codecs, convert, data, evaluate, generate, join, plan, quantize, train
from .commands.console import note
from .commands.settings_file import expand
from .errors import JoVAError

COMMANDS = {
    "generate": (generate.add_options, generate.run, "prompt → talking clip"),
    "train": (train.add_options, train.run, "train a JoVA"),
    "convert": (convert.add_options, convert.run, "public video backbone → first JoVA checkpoint"),
    "quantize": (quantize.add_options, quantize.run, "checkpoint → one with 8-bit weights"),
    "join": (join.add_options, join.run, "video branch of one checkpoint, audio branch of another"),
    "plan": (plan.add_options, plan.run, "memory that a clip needs, before the run"),
    "data": (data.add_options, data.run, "render and encode training data"),
    "train-codecs": (codecs.add_options, codecs.run, "train the mini's codecs"),
    "eval-mini": (evaluate.add_options, evaluate.run, "measure a checkpoint on held-out prompts"),
    "eval-codecs": (evaluate.add_codec_options, evaluate.run_codecs, "measure the codecs"),
    "bench": (bench.add_options, bench.run, "measure the time of every part of a clip"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command: 0, or 2 after a sentence about wrong input, or 130 after an interrupt."""
    parser = ArgumentParser(prog="jova", description=__doc__)
    parser.add_argument("--version", action="version", version=f"jova {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parsers = {}
    for name, (add_options, _, words) in COMMANDS.items():
        parsers[name] = commands.add_parser(name, help=words)
        add_options(parsers[name])
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        named = next((parsers[word] for word in arguments[:1] if word in parsers), parser)
        options = parser.parse_args(expand(arguments, named))
        COMMANDS[options.command][1](options)
    except JoVAError as error:
        note(str(error))
        return 2
    except OSError as error:
        note(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.")
        return 2
    except KeyboardInterrupt:
        note("Stopped.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
