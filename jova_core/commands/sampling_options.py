"""Options of sampling, shared by `jova generate` and `jova eval-mini`."""

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
            help=f"noise levels with guidance of the {name} (default 0 1); a step without any "
            "costs half",
        )
    parser.add_argument(
        "--cfg-audio-alone",
        action="store_true",
        help="in steps with guidance of the audio only, guide against an audio-only pass",
    )
    parser.add_argument(
        "--cache",
        type=float,
        default=0.0,
        metavar="CHANGE",
        help="faster: reuse velocities with a smaller relative change (default 0: never)",
    )


def sampling_options(options: Namespace) -> dict[str, Any]:
    """The options as fields of SampleSettings."""
    ranges = {f"cfg_{name}_range": tuple(getattr(options, f"cfg_{name}_range")) for name in STREAMS}
    return ranges | {name: getattr(options, name) for name in ("cfg_audio_alone", "cache")}
