"""The option `--threads` of the commands that compute for long."""

from argparse import ArgumentParser, Namespace

import torch

from ..errors import JoVAError


def add_threads(parser: ArgumentParser) -> None:
    """The option itself; without it torch decides."""
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")


def use_threads(options: Namespace) -> None:
    """Tell torch. JoVAError below 1."""
    if options.threads is None:
        return
    if options.threads < 1:
        raise JoVAError(f"--threads is {options.threads}; give 1 or more.")
    torch.set_num_threads(options.threads)
