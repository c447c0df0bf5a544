"""`jova bench`: the time of every part of a clip, measured in one run."""

import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
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
from .gpu.kernels import bench_gpu_a
from .gpu.script import Plan, failures, script_table
from .gpu.whole import bench_gpu_b
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
        "--tiny", action="store_true", help="gpu-a, gpu-b: small sizes on the CPU, a test of them"
    )
    parser.add_argument(
        "--limit", type=float, help="gpu-a, gpu-b: begin nothing after so many seconds (240)"
    )
    parser.add_argument("--out", type=Path, help="gpu-a, gpu-b: folder for JSON and tables")
    parser.add_argument("--only", help="gpu-a, gpu-b: items whose names contain this")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_threads(parser)


def run(options: Namespace) -> None:
    """Measure and print seconds. Raises JoVAError."""
    use_threads(options)
    if options.repeat < 1:
        raise JoVAError(f"--repeat is {options.repeat}; give 1 or more.")
    given = {name: getattr(options, name) for name in GPU_OPTIONS if getattr(options, name)}
    if given and options.what not in GPU_SCRIPTS:
        named = ", ".join(f"--{name}" for name in given)
        raise JoVAError(f"Got {named} with {options.what}; they belong to gpu-a and gpu-b.")
    figures = BENCHES[options.what](options)
    about = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    if options.json:
        result(json.dumps(about | figures, indent=1))
    elif options.what in TABLES:
        result(TABLES[options.what](figures))
    else:
        lines = [f"{name.replace('_', ' '):28} {_shown(value)}" for name, value in figures.items()]
        result("\n".join([f"torch {about['torch']}, {about['threads']} threads, seconds", *lines]))
    if options.what in GPU_SCRIPTS and failures(figures):
        raise JoVAError(f"Of {options.what} failed: {'; '.join(failures(figures))}.")


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
    """Every operation by every backend."""
    torch.set_num_threads(1)
    return bench_kernels(BlockSize(), options.repeat)


def _block(options: Namespace) -> dict[str, Any]:
    """Our block beside those of other systems."""
    return bench_block(BlockSize(), options.repeat)


def _gpu(options: Namespace) -> dict[str, Any]:
    """Where there is a GPU: its kernels and blocks, or whole networks."""
    given = {name: getattr(options, name) for name in ("tiny", "out", "only")}
    given |= {"repeat": options.repeat, "seconds": options.limit}
    plan = Plan(**{name: value for name, value in given.items() if value is not None})
    return GPU_SCRIPTS[options.what](plan)


def _train(options: Namespace) -> dict[str, Any]:
    """A training step beside plain torch.compile."""
    return bench_train(options.repeat)


GPU_SCRIPTS = {"gpu-a": bench_gpu_a, "gpu-b": bench_gpu_b}
GPU_OPTIONS = ("tiny", "limit", "out", "only")
BENCHES = {
    "load": _load,
    "sample": _sample,
    "decode": _decode,
    "kernels": _kernels,
    "block": _block,
    "train": _train,
    **dict.fromkeys(GPU_SCRIPTS, _gpu),
}
TABLES = {
    "kernels": kernels_table,
    "block": block_table,
    **dict.fromkeys(GPU_SCRIPTS, script_table),
}
