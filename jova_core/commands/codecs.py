"""`jova train-codecs`: train the mini's video and audio codec and join them into one file."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from ..errors import JoVAError
from ..files import check_target, existing_file
from ..mini.codecs.forms import FORMS
from ..mini.codecs.train import (
    part_path,
    train_audio_codec,
    train_video_codec,
    tune_decoders,
    write_codecs,
)
from ..mini.data.people_films import make_films
from ..presets import PRESETS
from .console import Bar, note, result
from .threads import add_threads, use_threads

# Options that every run of a codec or a decoder takes as they are.
COMMON = ("seed", "resume", "device", "ahead", "dtype")


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova train-codecs`."""
    words = "folder written by `jova data make-mini`; with --people that of make-voices"
    parser.add_argument("data", type=Path, help=words)
    parser.add_argument("out", type=Path, help="file to write; its parts and logs go beside it")
    parser.add_argument("--video-minutes", type=float, default=60)
    parser.add_argument("--audio-minutes", type=float, default=20)
    words = "render videos of people beside OUT (5 MB each); codecs of the preset mini2"
    parser.add_argument("--people", action="store_true", help=words)
    parser.add_argument("--films", type=int, default=240, help="for --people (default 240)")
    parser.add_argument("--held-out-films", type=int, default=48, help="for --people (default 48)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="that draw films")
    parser.add_argument(
        "--decoder-of",
        type=Path,
        help="train only the decoders of these codecs; their checkpoints stay usable; 0 minutes "
        "leave a decoder as it is",
    )
    parser.add_argument(
        "--latent-noise",
        type=float,
        default=0.2,
        help="with --decoder-of (default 0.2)",
    )
    parser.add_argument(
        "--flicker-weight",
        type=float,
        default=0.2,
        help="with --decoder-of: weight of frame-to-frame changes of the error (default 0.2)",
    )
    words = "OUT of an earlier run: begin with the parts that it left beside it"
    parser.add_argument("--start-from", type=Path, help=words)
    words = "go on with the unfinished run that left its state beside OUT"
    parser.add_argument("--resume", action="store_true", help=words)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    words = "threads that draw batches meanwhile; for a GPU, as many as there are cores (default 0)"
    parser.add_argument("--ahead", type=int, default=0, help=words)
    words = "of products (default fp32); bf16 is faster where the processor has such products"
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32", help=words)
    parser.add_argument("--no-compile", action="store_true", help="run without torch.compile")
    add_threads(parser)
    parser.add_argument("--seed", type=int, default=0)


def run(options: Namespace) -> None:
    """Train both codecs in turn, or one decoder. Raises JoVAError."""
    use_threads(options)
    _check(options)
    first_video, first_audio = _parts(options.start_from)
    check_target(options.out)
    data, form = options.data, FORMS["mini"]
    if options.people:
        data, form = _draw_films(options), FORMS["mini2"]
    if options.decoder_of is not None:
        minutes = {name: getattr(options, f"{name}_minutes") for name in ("video", "audio")}
        tune_decoders(
            data,
            options.decoder_of,
            options.out,
            **{name: {"minutes": time} if time else None for name, time in minutes.items()},
            latent_noise=options.latent_noise,
            flicker_weight=options.flicker_weight,
            critic=options.people,
            **_common(options),
        )
        result(str(options.out))
        return
    parts = [part_path(options.out, kind) for kind in ("video", "audio")]
    note("Training the video codec.")
    common = {**_common(options), "form": form}
    train_video_codec(
        data, parts[0], minutes=options.video_minutes, init_from=first_video, **common
    )
    note("Training the audio codec.")
    train_audio_codec(
        data,
        parts[1],
        minutes=options.audio_minutes,
        init_from=first_audio,
        critic=options.people,
        **common,
    )
    write_codecs(data, *parts, options.out, form=form)
    result(str(options.out))


def _common(options: Namespace) -> dict[str, Any]:
    """What every run of a codec or a decoder is told."""
    named = {name: getattr(options, name) for name in COMMON}
    return {**named, "compiled": not options.no_compile}


def _check(options: Namespace) -> None:
    for name in ("video_minutes", "audio_minutes"):
        time = getattr(options, name)
        least = "0 or more" if options.decoder_of is not None else "a time above 0"
        if not 0 <= time < float("inf") or (time == 0 and options.decoder_of is None):
            raise JoVAError(f"--{name.replace('_', '-')} is {time:g}; give {least}.")
    if options.seed < 0:
        raise JoVAError(f"--seed is {options.seed}; give 0 or more.")
    if not 0 <= options.flicker_weight < float("inf"):
        weight = options.flicker_weight
        raise JoVAError(f"--flicker-weight is {weight:g}; give 0 or more.")
    if not 0 <= options.latent_noise < 1:
        raise JoVAError(f"--latent-noise is {options.latent_noise:g}; give 0 to below 1.")
    if options.ahead < 0:
        raise JoVAError(f"--ahead is {options.ahead}; give 0 or more threads.")
    if options.start_from is not None and options.decoder_of is not None:
        raise JoVAError("Got --start-from and --decoder-of; both say what to begin with: give one.")


def _parts(out: Path | None) -> tuple[Path | None, Path | None]:
    """The video and the audio codec that an earlier run left beside its OUT."""
    if out is None:
        return None, None
    names = {kind: part_path(out, kind) for kind in ("video", "audio")}
    allowed = "the OUT of an earlier `jova train-codecs`"
    video, audio = (existing_file(path, f"{kind} codec", allowed) for kind, path in names.items())
    return video, audio


def _draw_films(options: Namespace) -> Path:
    """The folder of films beside the target, filled."""
    folder = options.out.with_suffix(".films")
    with Bar("draw", "film") as progress:
        make_films(
            folder,
            options.data,
            PRESETS["mini2"],
            clips=options.films,
            held_out=options.held_out_films,
            seed=options.seed,
            workers=options.workers,
            progress=progress,
        )
    return folder
