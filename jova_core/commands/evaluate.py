"""`jova eval-mini` and `jova eval-codecs`: figures of a checkpoint and of the codecs."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from ..decoding import Clip, generate
from ..errors import JoVAError
from ..files import atomic_write, check_target
from ..flow.schedule import simple_sigmas
from ..given import Given
from ..mini import MINI_CODECS, load_pipeline
from ..mini.codecs.evaluate import evaluate_codecs
from ..mini.data.dataset import Dataset, load_dataset
from ..mini.evaluation.cases import clip_cases, read_cases
from ..mini.evaluation.evaluate import evaluate, words_figures
from ..mini.evaluation.judges import Judges, judges_for
from ..mini.evaluation.table import format_table
from ..mini.evaluation.tasks import evaluate_tasks
from ..mouth.landmarks import LipDetector, find_landmarker
from ..pipeline import JoVAPipeline, SampleSettings
from ..prompt import Prompt
from .console import Bar, note, result
from .evaluate_people import add_people_options, run_people
from .sampling_options import add_sampling_options, sampling_options

HELD_OUT_PROMPTS = 60


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova eval-mini`."""
    defaults = SampleSettings()
    add = parser.add_argument
    add("data", type=Path, help="folder written by `jova data make-mini`")
    add("--checkpoint", type=Path, help="default: the bundled mini")
    add("--codecs", type=Path, help="default: the bundled codecs")
    add("--json", type=Path, help="file for all figures")
    add(
        "--limit",
        type=int,
        help="number of prompts (default: 60 held-out ones, all of --prompts)",
    )
    add("--prompts", type=Path, help="JSON list of prompts instead of the held-out ones")
    add("--unseen", type=int, default=0, help="also measure this many clips of unseen words")
    add("--tasks", action="store_true", help="also voice → video, portrait → video, video → voice")
    add("--seed", type=int, default=0)
    add("--steps", type=int, default=defaults.steps)
    add("--solver", default=defaults.solver)
    add("--cfg-video", type=float, default=defaults.cfg_video)
    add("--cfg-audio", type=float, default=defaults.cfg_audio)
    add_sampling_options(parser)
    add("--shift", type=float)
    add_people_options(parser)


def run(options: Namespace) -> None:
    """Generate the clips, measure them, print the table. Raises JoVAError."""
    if options.limit is not None and options.limit < 1:
        raise JoVAError(f"--limit is {options.limit}; give 1 or more prompts.")
    if options.unseen < 0:
        raise JoVAError(f"--unseen is {options.unseen}; give a number of clips, or 0 for none.")
    if options.json is not None:
        check_target(options.json)
    if options.people:
        run_people(options, _sampling(options), options.limit or HELD_OUT_PROMPTS)
        return
    dataset = load_dataset(options.data)
    cases = None if options.prompts is None else read_cases(options.prompts)[: options.limit]
    base = _sampling(options)
    pipeline = load_pipeline(options.checkpoint, options.codecs)
    find_landmarker()
    judges = judges_for(dataset, report=_report)

    def make(prompt: Prompt, frames: int, seed: int) -> Clip:
        return generate(pipeline, prompt, frames, SampleSettings(**base, seed=seed))

    with Bar("evaluate", "clip") as progress:
        figures = evaluate(
            make,
            dataset,
            pipeline.codecs,
            judges,
            limit=options.limit or HELD_OUT_PROMPTS,
            prompts=cases,
            seed=options.seed,
            progress=progress,
        )
    if options.unseen:
        with Bar("evaluate unseen words", "clip") as progress:
            figures |= words_figures(
                make,
                dataset,
                pipeline.codecs,
                judges,
                clip_cases(dataset, options.unseen, "unseen"),
                seed=options.seed,
                progress=progress,
            )
    if options.tasks:
        figures |= _tasks(options, pipeline, dataset, judges, base)
    figures |= {"samples": pipeline.notes.get("samples"), "settings": base}
    if options.json is not None:
        with atomic_write(options.json) as temporary:
            temporary.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    result(format_table(figures))


def _tasks(
    options: Namespace,
    pipeline: JoVAPipeline,
    dataset: Dataset,
    judges: Judges,
    base: dict[str, Any],
) -> dict[str, Any]:
    """Figures of clips from the voice, the portrait or the video of held-out clips."""

    def make(prompt: Prompt, frames: int, seed: int, given: Mapping[str, Tensor]) -> Clip:
        settings = SampleSettings(**base, seed=seed)
        return generate(pipeline, prompt, frames, settings, given=Given(**given))

    cases = clip_cases(dataset, options.limit or HELD_OUT_PROMPTS)
    with Bar("evaluate tasks", "clip") as progress, LipDetector() as detector:
        return evaluate_tasks(
            make,
            dataset,
            pipeline.codecs,
            judges,
            cases,
            detector=detector,
            seed=options.seed,
            progress=progress,
        )


def _sampling(options: Namespace) -> dict[str, Any]:
    """The options as fields of SampleSettings, checked before the work starts."""
    fields = ("steps", "solver", "cfg_video", "cfg_audio", "shift")
    chosen = {name: getattr(options, name) for name in fields} | sampling_options(options)
    SampleSettings(**chosen, seed=options.seed)
    simple_sigmas(options.steps, shift=1.0)
    return chosen


def _report(name: str, step: int, steps: int, loss: float) -> None:
    if step % 100 == 0 or step == steps:
        note(f"Training the judge of {name} on ground truth: {step}/{steps}, loss {loss:.3f}")


def add_codec_options(parser: ArgumentParser) -> None:
    """The options of `jova eval-codecs`."""
    parser.add_argument("data", type=Path, help="folder written by `jova data make-mini`")
    parser.add_argument("--codecs", type=Path, default=MINI_CODECS)


def run_codecs(options: Namespace) -> None:
    """Print PSNR and STOI of held-out clips. Raises JoVAError."""
    if find_spec("pystoi") is None:
        raise JoVAError("STOI needs the package pystoi; install it with `pip install pystoi`.")
    result(json.dumps(evaluate_codecs(options.data, options.codecs), indent=1))
