"""`jova eval-mini --people`: figures of a checkpoint that makes clips of people."""

import json
from argparse import ArgumentParser, Namespace
from typing import Any

from ..decoding import Clip, generate
from ..files import atomic_write
from ..given import Given
from ..mini import load_pipeline
from ..mini.data.people_clips import FRAME_COUNTS, Casting
from ..mini.data.people_source import PeopleSource
from ..mini.evaluation.film_tasks import FilmTasks
from ..mini.evaluation.listening import check_judges
from ..mini.evaluation.people import evaluate_people, truths
from ..mini.evaluation.people_looks import CLASSES, looks_for
from ..mini.evaluation.voices_alone import evaluate_voices, lines_to_say, say
from ..mouth.landmarks import LipDetector
from ..pipeline import JoVAPipeline, SampleSettings
from ..prompt import Prompt
from .console import Bar, result

ROWS = (
    *("words", "words_shuffled", "phoneme_errors", "naturalness", "speaker", "speaker_shuffled"),
    *("sync", "sync_shuffled", "sync_shuffled_p95", "offset_frames", "faces_share"),
    *("attributes", *(f"attribute_{name}" for name in CLASSES)),
    *("flicker", "seams"),
)
# Entries looked through for one in which somebody speaks and which is of the split.
_PER_CASE = 4


def add_people_options(parser: ArgumentParser) -> None:
    """Options of an evaluation on people."""
    group = parser.add_argument_group("people (the folder is that of `jova data make-voices`)")
    add = group.add_argument
    add("--people", action="store_true", help="held-out people, by the judges of the extra eval")
    add("--cast", type=int, default=100, help="of the training data (default 100)")
    add("--cast-seed", type=int, default=0, help="of the training data (default 0)")
    words = "the audio branch by itself on phrases of the plan, spoken or not, without pictures"
    add("--voices-alone", action="store_true", help=words)
    add("--split", choices=("heldout", "unseen"), default="heldout", help="unseen: of words")


def run_people(options: Namespace, base: dict[str, Any], limit: int) -> None:
    """Make the clips, judge them and print the figures. Raises JoVAError."""
    if options.voices_alone:
        _run_voices(options, base, limit)
        return
    check_judges()
    pipeline = load_pipeline(options.checkpoint, options.codecs)
    casting = Casting(seed=options.cast_seed, cast=options.cast, split=options.split)
    source = PeopleSource.of_spoken(options.data, casting, clips=_PER_CASE * limit)
    cases = truths(source, pipeline.config, limit)
    with Bar("draw people for the judge of looks", "picture") as progress:
        looks = looks_for(source, pipeline.config, progress=progress)
    with LipDetector() as detector:

        def make(prompt: Prompt, frames: int, seed: int, given: Given | None) -> Clip:
            settings = SampleSettings(**base, seed=seed)
            return generate(pipeline, prompt, frames, settings, given=given)

        with Bar("evaluate", "clip") as progress:
            figures = evaluate_people(
                make,
                cases,
                pipeline.codecs,
                detector=detector,
                looks=looks,
                seed=options.seed,
                progress=progress,
            )
        if options.tasks:
            tasks = FilmTasks(
                make=make,
                source=source,
                config=pipeline.config,
                codecs=pipeline.codecs,
                detector=detector,
            )
            with Bar("evaluate tasks", "clip") as progress:
                figures["tasks"] = tasks.evaluate(cases, seed=options.seed, progress=progress)
    _write(options, pipeline, figures | {"settings": base})


def _run_voices(options: Namespace, base: dict[str, Any], limit: int) -> None:
    """Sample voices without pictures, judge them and print the figures. Raises JoVAError."""
    check_judges("words", "phonemes", "naturalness")
    pipeline = load_pipeline(options.checkpoint, options.codecs)
    lines = lines_to_say(options.data, options.split, limit, options.seed)
    waves = say(pipeline, lines, SampleSettings(**base, seed=options.seed))
    with Bar("evaluate", "voice") as progress:
        figures = evaluate_voices(lines, waves, progress=progress)
    _save(options, pipeline, figures | {"settings": base})
    rows = [f"{name:24}{_cell(value)}" for name, value in figures.items() if name in ROWS]
    said = zip(figures["wanted"], figures["heard"], strict=True)
    result("\n".join([*rows, *(f"{wanted} | {heard}" for wanted, heard in said)]))


def _save(options: Namespace, pipeline: JoVAPipeline, figures: dict[str, Any]) -> None:
    """All figures to the file that --json names."""
    if options.json is not None:
        about = {"samples": pipeline.notes.get("samples")}
        with atomic_write(options.json) as temporary:
            temporary.write_text(json.dumps(figures | about, indent=1), encoding="utf-8")


def _write(options: Namespace, pipeline: JoVAPipeline, figures: dict[str, Any]) -> None:
    _save(options, pipeline, figures)
    lines = [f"{'':24}{'made':>10}{'ceiling':>10}{'truth':>10}"]
    for name in ROWS:
        cells = "".join(_cell(figures.get(f"{name}{end}")) for end in ("", "_ceiling", "_truth"))
        lines.append(f"{name:24}{cells}")
    lines += [f"{name:26}{_cell(value)}" for name, value in figures.get("tasks", {}).items()]
    lines.append(f"{figures['clips']} clips of up to {max(FRAME_COUNTS)} frames.")
    result("\n".join(lines))


def _cell(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.3f}':>10}"
