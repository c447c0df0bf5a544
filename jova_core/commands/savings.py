"""Options that save passes of the network: guidance where it counts, steps that repeat."""

from argparse import ArgumentParser, Namespace
from typing import Any

STREAMS = ("video", "audio")


def add_savings(parser: ArgumentParser) -> None:
    """`--cfg-video-range LOW HIGH`, the same for audio, `--cfg-audio-alone` and `--cache`."""
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
        help="where only the sound is guided, against a pass of the sound alone",
    )
    parser.add_argument(
        "--cache",
        type=float,
        default=0.0,
        metavar="CHANGE",
        help="repeat the last velocity while both streams change by less (default 0: never)",
    )


def savings(options: Namespace) -> dict[str, Any]:
    """The options as fields of SampleSettings."""
    ranges = {f"cfg_{name}_range": tuple(getattr(options, f"cfg_{name}_range")) for name in STREAMS}
    return ranges | {"cfg_audio_alone": options.cfg_audio_alone, "cache": options.cache}
