"""The cost of longer clips: a sampling step of the mini by length, a block by tokens, as a picture.

    python experiments/cost.py experiments/cost.png    # also prints the figures as JSON

Exponents are those of a straight line through the logarithms, over all points and over the last
three: products grow with the tokens, attention with their square.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from jova_core.bench.cli import PROMPT
from jova_core.bench.peers import BlockSize, joint_block
from jova_core.bench.timing import medians
from jova_core.chart import (
    BEST,
    HEIGHT,
    INK,
    LIPS,
    VOICE,
    WIDTH,
    ZOOM,
    Axes,
    Colour,
    Pen,
    draw_axes,
    legend,
    scaled,
    sheet,
    to_picture,
)
from jova_core.decoding import decode
from jova_core.kernels import fast_fp32
from jova_core.mini import load_pipeline
from jova_core.pipeline import SampleSettings, clip_frames, sample

SECONDS = (1, 2, 4, 8, 12, 16, 20)
TOKENS = (286, 572, 1144, 2288, 4576, 9152)
STEPS, REPEAT = 2, 3


def by_length() -> dict[str, list[float]]:
    """Seconds of a step (two passes, as guidance needs) and of decoding, for clips of SECONDS."""
    pipeline, settings = load_pipeline(), SampleSettings(steps=STEPS)
    curves: dict[str, list[float]] = {"tokens": [], "step": [], "decode": []}
    for seconds in SECONDS:
        frames = clip_frames(pipeline.timeline, seconds)
        with fast_fp32():
            latents = sample(pipeline, PROMPT, frames, settings)
            times = medians(
                {
                    "step": lambda n=frames: sample(pipeline, PROMPT, n, settings),
                    "decode": lambda x=latents, n=frames: decode(pipeline, x, n),
                },
                REPEAT,
            )
        curves["step"].append(times["step"] / STEPS)
        curves["decode"].append(times["decode"])
        _, rows, columns = pipeline.config.patch
        video = latents.video.shape[2] * latents.video[0, 0, 0, ::rows, ::columns].numel()
        audio = latents.audio.shape[2] // pipeline.config.audio_patch
        curves["tokens"].append(video + audio + 2 * pipeline.config.text_tokens)
    return curves


def by_tokens() -> list[float]:
    """Seconds of a dual block, 768 wide, bf16, one thread, for sequences of TOKENS."""
    torch.set_num_threads(1)
    seconds = []
    for count in TOKENS:
        size = BlockSize(video=count * 2000 // 2288, audio=count * 160 // 2288, text=count // 36)
        block, x, joint, attend = joint_block("dual", size, torch.bfloat16)
        with torch.inference_mode(), fast_fp32():
            work = {"block": lambda b=block, x=x, j=joint, a=attend: b(x.clone(), j, a)}
            seconds.append(medians(work, REPEAT)["block"])
    return seconds


def exponent(x: Any, y: Any) -> float:
    """Slope of the straight line through log y over log x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def picture(length: dict[str, list[float]], tokens: list[float]) -> torch.Tensor:
    """uint8 `[480, 768, 3]`: both costs on logarithmic axes."""
    image, pen = sheet()
    left = panel(pen, (60, WIDTH / 2 - 24), "seconds of the clip", SECONDS, (0.01, 10))
    curve(pen, left, SECONDS, length["step"], LIPS)
    curve(pen, left, SECONDS, length["decode"], VOICE)
    right = panel(pen, (WIDTH / 2 + 50, WIDTH - 18), "tokens, block 768 wide", TOKENS, (0.01, 10))
    curve(pen, right, TOKENS, tokens, BEST)
    words = f"step, t^{exponent(SECONDS, length['step']):.2f}"
    legend(pen, 60, words, LIPS)
    legend(pen, 220, f"decoding, t^{exponent(SECONDS, length['decode']):.2f}", VOICE)
    ends = (
        f"t^{exponent(TOKENS, tokens):.2f}, at the end t^{exponent(TOKENS[-3:], tokens[-3:]):.2f}"
    )
    legend(pen, WIDTH / 2 + 50, f"block, {ends}", BEST)
    return to_picture(image)


def panel(
    pen: Pen, sides: tuple[float, float], label: str, x: tuple[int, ...], y: tuple[float, float]
) -> Axes:
    """Logarithmic axes with a tick at every measured x; heights are seconds."""
    low, high = (math.log10(value) for value in y)
    span = (math.log10(x[0]), math.log10(x[-1]))
    axes = Axes(box=scaled(sides[0], 40, sides[1], HEIGHT - 52), x=span, y=(low, high))
    heights = {float(p): f"{10.0**p:g} s" for p in range(round(low), round(high) + 1)}
    draw_axes(pen, axes, label, [], heights)
    for value in x:
        place = axes.at(math.log10(value), low)
        pen.text((place[0], place[1] + 7 * ZOOM), f"{value:g}", "ma", INK)
    pen.draw.rectangle(axes.box, outline=INK, width=ZOOM)
    return axes


def curve(pen: Pen, axes: Axes, x: tuple[int, ...], y: list[float], colour: Colour) -> None:
    """A measured curve with its points."""
    points = [axes.at(math.log10(a), math.log10(b)) for a, b in zip(x, y, strict=True)]
    pen.line(points, colour, 2)
    for point in points:
        pen.dot(point, 3.5, colour)


def main() -> None:
    """Measure, draw to the file that is named, print."""
    length, tokens = by_length(), by_tokens()
    Image.fromarray(picture(length, tokens).numpy()).save(Path(sys.argv[1]))
    figures = {
        "seconds": SECONDS,
        **length,
        "block_tokens": TOKENS,
        "block_seconds": tokens,
        "step_exponent": exponent(SECONDS, length["step"]),
        "step_exponent_end": exponent(SECONDS[-3:], length["step"][-3:]),
        "decode_exponent": exponent(SECONDS, length["decode"]),
        "block_exponent": exponent(TOKENS, tokens),
        "block_exponent_end": exponent(TOKENS[-3:], tokens[-3:]),
    }
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
