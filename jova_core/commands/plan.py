"""`jova plan`: what a checkpoint or preset needs for a clip, before anything is loaded."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import JoVAError
from ..model.checkpoint import read_config
from ..pipeline import clip_frames
from ..planning import WEIGHT_BYTES, describe, plan
from ..presets import PRESETS
from ..timeline import Timeline
from .console import result


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova plan`."""
    add = parser.add_argument
    add("model", help=f"a checkpoint, or one of {', '.join(PRESETS)}")
    add("--seconds", type=float, default=5.0, help="of the clip (default 5)")
    add("--size", help="WIDTHxHEIGHT in pixels; default is the checkpoint's")
    add("--dtype", default="bf16", help=f"of the weights: {', '.join(WEIGHT_BYTES)} (default bf16)")
    add("--unguided", action="store_true", help="a guidance scale of 1: half the activations")


def size_of(text: str | None) -> tuple[int, int] | tuple[None, None]:
    """WIDTHxHEIGHT as (width, height), nothing as two None. Raises JoVAError for other text."""
    if text is None:
        return None, None
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise JoVAError(f"Got the size {text!r}; give WIDTHxHEIGHT, such as 832x480.")
    return int(width), int(height)


def run(options: Namespace) -> None:
    """Print the needs. Raises JoVAError."""
    config = PRESETS.get(options.model)
    if config is None:
        config, _ = read_config(Path(options.model))
    width, height = size_of(options.size)
    for side in (width, height):
        if side and side % config.video.spatial_ratio:
            raise JoVAError(
                f"Got a side of {side} px; give multiples of {config.video.spatial_ratio}."
            )
    frames = clip_frames(Timeline.of(config), options.seconds)
    needs = plan(
        config,
        frames,
        dtype=options.dtype,
        height=height,
        width=width,
        guided=not options.unguided,
    )
    result(f"{frames} frames at {config.video.fps} a second, {options.dtype}\n{describe(needs)}")
