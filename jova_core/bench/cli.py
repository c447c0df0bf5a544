"""`jova bench`: the time of every part of a clip, measured in one run."""

import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import nullcontext
from statistics import median
from typing import Any

import torch

from ..commands.console import result
from ..commands.threads import add_threads, use_threads
from ..errors import JoVAError
from ..kernels import fast_fp32
from ..mini import load_pipeline
from ..pipeline import SampleSettings, clip_frames, sample
from ..prompt import Prompt
from .block import bench_block, block_table
from .decode import bench_decode
from .gpu import bench_gpu
from .kernels import bench_kernels, kernels_table
from .peers import BlockSize
from .timing import medians
from .train import bench_train

PROMPT = Prompt(
    video_caption="a tan face with red hair in a blue shirt on a white background",
    audio_caption="a warm voice speaks",
    transcript="hello friend",
)
# Run in a process of its own: the time until anything can be generated.
_LOADING = """
import json, time
start = time.perf_counter(); import torch
torch_loaded = time.perf_counter(); from jova_core.mini import load_pipeline
jova_loaded = time.perf_counter(); load_pipeline()
loaded = time.perf_counter()
print(json.dumps([torch_loaded - start, jova_loaded - torch_loaded, loaded - jova_loaded]))
"""


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova bench`."""
    parser.add_argument("what", choices=sorted(BENCHES), help=", ".join(sorted(BENCHES)))
    parser.add_argument("--seconds", type=float, default=2.0, help="length of the clip (default 2)")
    parser.add_argument("--steps", type=int, default=SampleSettings().steps)
    parser.add_argument("--repeat", type=int, default=5, help="number of runs; the median counts")
    parser.add_argument(
        "--gpu", action="store_true", help="with kernels: the measurements for a GPU"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_threads(parser)


def run(options: Namespace) -> None:
    """Measure and print seconds. Raises JoVAError."""
    use_threads(options)
    if options.repeat < 1:
        raise JoVAError(f"--repeat is {options.repeat}; give 1 or more.")
    if options.gpu and options.what != "kernels":
        raise JoVAError(f"Got --gpu with {options.what}; use it with `jova bench kernels`.")
    figures = BENCHES[options.what](options)
    about = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    if options.json:
        result(json.dumps(about | figures, indent=1))
        return
    if options.what in TABLES:
        result(TABLES[options.what](figures))
        return
    lines = [f"{name.replace('_', ' '):28} {_shown(value)}" for name, value in figures.items()]
    result("\n".join([f"torch {about['torch']}, {about['threads']} threads, seconds", *lines]))


def _shown(value: float | dict[str, float]) -> str:
    if isinstance(value, dict):  # by seconds of the clip
        return "  ".join(f"{length} s: {amount:.0f}" for length, amount in value.items())
    return f"{value:8.3f}"


def _load(options: Namespace) -> dict[str, float]:
    """Importing torch and JoVA, loading the mini, each time in a fresh process."""
    runs = []
    for _ in range(options.repeat):
        command = [sys.executable, "-c", _LOADING]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise JoVAError(f"The mini cannot be loaded: {done.stderr.strip().splitlines()[-1]}")
        runs.append(json.loads(done.stdout))
    names = ("import_torch", "import_jova", "load_mini")
    return {name: median(times) for name, times in zip(names, zip(*runs, strict=True), strict=True)}


def _sample(options: Namespace) -> dict[str, float]:
    """Text and sampling, and the same with torch's own fp32 products."""
    pipeline = load_pipeline()
    frames = clip_frames(pipeline.timeline, options.seconds)
    settings = SampleSettings(steps=options.steps)

    def by(products: Callable[[], Any]) -> Callable[[], Any]:
        def make() -> None:
            with products():
                sample(pipeline, PROMPT, frames, settings)

        return make

    times = medians(
        {
            "text": lambda: [encoder.encode([PROMPT, Prompt()]) for encoder in pipeline.encoders],
            "sampling": by(fast_fp32),
            "sampling_torchs_products": by(nullcontext),
        },
        options.repeat,
    )
    return times | {"step": times["sampling"] / options.steps}


def _decode(options: Namespace) -> dict[str, Any]:
    """Latents to pictures and sound in a file."""
    return bench_decode(options.seconds, options.repeat)


def _kernels(options: Namespace) -> dict[str, Any]:
    """Every operation by every backend; on a GPU the attention and block as well."""
    if options.gpu:
        return bench_gpu(options.repeat)
    torch.set_num_threads(1)
    return bench_kernels(BlockSize(), options.repeat)


def _block(options: Namespace) -> dict[str, Any]:
    """Our block beside those of other systems."""
    return bench_block(BlockSize(), options.repeat)


def _train(options: Namespace) -> dict[str, Any]:
    """A training step beside plain torch.compile."""
    return bench_train(options.repeat)


BENCHES = {
    "load": _load,
    "sample": _sample,
    "decode": _decode,
    "kernels": _kernels,
    "block": _block,
    "train": _train,
}
TABLES = {"kernels": kernels_table, "block": block_table}
