"""Options of sampling that `jova generate` and `jova eval-mini` share."""

from argparse import ArgumentParser, Namespace
from typing import Any

STREAMS = ("video", "audio")


def add_sampling_options(parser: ArgumentParser) -> None:
    """`--cfg-video-range`, `--cfg-audio-range`, `--cfg-audio-alone` and `--cache`."""
    for name in STREAMS:
        parser.add_argument(
            f"--cfg-{name}-range",
            type=float,
            nargs=2,
            default=(0.0, 1.0),
            metavar=("LOW", "HIGH"),
            help=f"noise levels between which the {name} is guided (default 0 1); a step in which "
            "neither stream is costs half",
        )
    parser.add_argument(
        "--cfg-audio-alone",
        action="store_true",
        help="where only the audio is guided, against a pass of the audio alone",
    )
    parser.add_argument(
        "--cache",
        type=float,
        default=0.0,
        metavar="CHANGE",
        help="repeat the last velocity while both streams change by less (default 0: never)",
    )


def sampling_options(options: Namespace) -> dict[str, Any]:
    """The options as fields of SampleSettings."""
    ranges = {f"cfg_{name}_range": tuple(getattr(options, f"cfg_{name}_range")) for name in STREAMS}
    return ranges | {name: getattr(options, name) for name in ("cfg_audio_alone", "cache")}
