"""`jova quantize`: a checkpoint with 8-bit weights, half as large and read by ComfyUI."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..model.quantize import quantize
from ..model.quantized import FORMATS
from .console import Bar, note, result


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova quantize`."""
    add = parser.add_argument
    add("source", type=Path, help="JoVA checkpoint in bf16, fp16 or fp32 (.safetensors)")
    add("out", type=Path, help="checkpoint to write; a stopped run continues where it left off")
    add(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
        help="fp8_scaled: float8 E4M3, a scale for each matrix; int8: a scale for each row, "
        "nearer to the original (default fp8_scaled)",
    )


def run(options: Namespace) -> None:
    """Quantize one checkpoint. Raises JoVAError."""
    with Bar("quantize", "tensor") as progress:
        count = quantize(options.source, options.out, options.format, progress=progress)
    before, after = (path.stat().st_size / 1e6 for path in (options.source, options.out))
    note(f"{count} matrices in 8 bits: {after:.1f} MB instead of {before:.1f} MB.")
    result(str(options.out))
