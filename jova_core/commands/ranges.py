"""Options of the noise levels between which guidance applies."""

from argparse import ArgumentParser, Namespace

STREAMS = ("video", "audio")


def add_guidance_ranges(parser: ArgumentParser) -> None:
    """`--cfg-video-range LOW HIGH` and the same for audio."""
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


def guidance_ranges(options: Namespace) -> dict[str, tuple[float, float]]:
    """The options as fields of SampleSettings."""
    return {f"cfg_{name}_range": tuple(getattr(options, f"cfg_{name}_range")) for name in STREAMS}
