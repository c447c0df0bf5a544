"""The option `--threads` of the long-running commands."""

from argparse import ArgumentParser, Namespace

import torch

from ..errors import JoVAError


def add_threads(parser: ArgumentParser) -> None:
    """Add the option; without it torch decides."""
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")


def use_threads(options: Namespace) -> None:
    """Apply the option. JoVAError below 1."""
    if options.threads is None:
        return
    if options.threads < 1:
        raise JoVAError(f"--threads is {options.threads}; give 1 or more.")
    torch.set_num_threads(options.threads)
