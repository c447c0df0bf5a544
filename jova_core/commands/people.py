"""The options of commands that draw clips of people, and the source that they describe."""

import os
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from ..codecs import TextEncoder
from ..config import JoVAConfig
from ..errors import JoVAError
from ..mini.codecs.checkpoint import load_codecs
from ..mini.data.people_clips import Casting
from ..mini.data.people_source import PeopleSource
from ..training.distributed import Distributed
from ..training.settings import TrainSettings
from ..training.stream import ClipStream, StreamRules

PRESET = "mini2"  # whose rates and size clips of people have


def add_people_options(parser: ArgumentParser) -> None:
    """How many people, and how many clips of them."""
    group = parser.add_argument_group("clips of people (the folder is that of the voices)")
    add = group.add_argument
    add("--people", action="store_true", help="draw people who say what the folder holds")
    add("--clips", type=int, default=4000, help="films with sound (default 4000)")
    add("--stills", type=int, default=2000, help="single pictures (default 2000)")
    add("--voices-alone", type=int, default=0, help="voices without pictures (default 0)")
    add("--cast", type=int, default=100, help="how many people are seen (default 100)")
    add("--seed", type=int, default=0)
    words = "draw from what has been spoken so far, instead of waiting for the rest of the plan"
    add("--spoken", action="store_true", help=words)


def people_source(options: Namespace) -> PeopleSource:
    """The source of `jova data encode --people`."""
    casting = Casting(seed=options.seed, cast=options.cast)
    count = {"clips": options.clips, "stills": options.stills, "alone": options.voices_alone}
    if options.spoken:
        return PeopleSource.of_spoken(options.folder, casting, **count)
    return PeopleSource(voices=options.folder, casting=casting, **count)


def add_stream_options(parser: ArgumentParser) -> None:
    """Training on clips that are drawn meanwhile."""
    defaults = StreamRules()
    group = parser.add_argument_group("a stream: clips are drawn and encoded while training")
    add = group.add_argument
    words = "people: `data` is then the folder that `jova data make-voices` filled"
    add("--stream", choices=("people",), help=words)
    add("--cast", type=int, default=100, help="how many people are seen (default 100)")
    words = "processes that draw (default: all processors but one)"
    add("--stream-workers", type=int, default=max(1, (os.cpu_count() or 2) - 1), help=words)
    words = f"clips to wait for before the first step (default {defaults.least})"
    add("--stream-least", type=int, default=defaults.least, help=words)
    words = f"clips kept, the oldest go (default {defaults.most})"
    add("--stream-most", type=int, default=defaults.most, help=words)


def open_stream(
    options: Namespace,
    config: JoVAConfig,
    codecs: Path,
    settings: TrainSettings,
    encoders: tuple[TextEncoder, ...],
) -> ClipStream:
    """The stream that the options describe. JoVAError: several processes, wrong numbers."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise JoVAError("--stream feeds one process; train in one, or encode the data first.")
    casting = Casting(seed=settings.seed, cast=options.cast)
    rules = StreamRules(
        workers=options.stream_workers,
        least=options.stream_least,
        most=options.stream_most,
        mirrored=True,  # no caption says left or right
    )
    return ClipStream(
        PeopleSource.of_spoken(options.data, casting),
        config,
        partial(load_codecs, codecs),
        settings,
        encoders,
        rules=rules,
        device=Distributed.join().device,
    )
