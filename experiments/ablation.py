"""The paper's claims in miniature: one small JoVA, five ways, on the same data, budget and seeds.

    python experiments/ablation.py DATA FOLDER --train joint 0    # one run, in the background
    python experiments/ablation.py DATA FOLDER --measure joint 0
    python experiments/ablation.py DATA FOLDER --measure truth 0
    python experiments/ablation.py DATA FOLDER --table

DATA is an encoded data set of `jova data make-mini` (only its clips of 33 frames are used).
Measured on held-out prompts: prompt → both (words, sync, offset) and true voice + first picture →
video (PSNR of the mouth against the true clip). Needs JOVA_FACE_LANDMARKER.
"""

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from jova_core.commands.console import Bar
from jova_core.commands.train import fresh_config
from jova_core.config import JoVAConfig
from jova_core.decoding import generate
from jova_core.files import atomic_write
from jova_core.given import Given
from jova_core.mini import load_pipeline
from jova_core.mini.data.dataset import load_clip, load_dataset
from jova_core.mini.data.vocabulary import published_vocabulary
from jova_core.mini.evaluation.cases import clip_cases
from jova_core.mini.evaluation.evaluate import measure, through_codecs
from jova_core.mini.evaluation.judges import judges_for
from jova_core.mini.evaluation.words import words_right
from jova_core.model.jova import JoVA
from jova_core.mouth.landmarks import LipDetector
from jova_core.mouth.masks import pad_boxes
from jova_core.pipeline import SampleSettings
from jova_core.training.loop import train
from jova_core.training.settings import TrainSettings

sys.path.insert(0, str(Path(__file__).parent.parent))
from experiments.towers import fusion, separate

FRAMES = 33
SEEDS = (0, 1)
PROMPTS = 60
RESAMPLES = 10_000
MOUTH_PAD = 0.25


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What differs from `joint`, and the words for the table."""

    about: str
    build: Callable[[JoVAConfig], JoVA] = JoVA
    rope_time: str = "aligned"
    mouth_weight: float = TrainSettings.mouth_weight


VARIANTS = {
    "joint": Variant(about="one attention over audio, text and video in every layer"),
    "separate": Variant(about="no cross-modal attention", build=separate),
    "fusion": Variant(about="two towers, cross-attention after every block", build=fusion),
    "joint_lambda0": Variant(about="joint without the mouth-area loss", mouth_weight=0.0),
    "joint_norope": Variant(about="joint, audio positions 0, 1, 2 … not aligned", rope_time="none"),
}


def settings(variant: Variant, seed: int, steps: int) -> TrainSettings:
    """The budget that all runs share."""
    return TrainSettings(
        seed=seed,
        steps=steps,
        optimizer="muon",
        learning_rate=2e-3,
        warmup=50,
        cooldown=0.3,
        ema=0.99,
        audio_alone=0.4,
        mouth_weight=variant.mouth_weight,
        checkpoint_every=500,
    )


def one_length(data: Path, folder: Path) -> Path:
    """A view of the data set that holds its clips of 33 frames only."""
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "dataset.json"
    if not index.exists():
        for path in data.iterdir():
            if path.name != index.name and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path.resolve())
        raw = json.loads((data / "dataset.json").read_text(encoding="utf-8"))
        raw["clips"] = [clip for clip in raw["clips"] if clip["frames"] == FRAMES]
        with atomic_write(index) as temporary:
            temporary.write_text(json.dumps(raw), encoding="utf-8")
    return folder


def config_of(name: str) -> JoVAConfig:
    """The config of all runs, with or without aligned audio positions."""
    return replace(fresh_config("mini_ablation"), rope_time=VARIANTS[name].rope_time)


def train_run(data: Path, folder: Path, name: str, seed: int, steps: int) -> None:
    """Train one variant; a run that was cut off goes on."""
    variant, out = VARIANTS[name], folder / f"{name}-{seed}"
    config = config_of(name)
    before = time.process_time()
    train(
        data,
        out,
        config,
        settings(variant, seed, steps),
        published_vocabulary(),
        resume=(out / "state.safetensors").exists(),
        build=variant.build,
    )
    minutes = (time.process_time() - before) / 60
    record = out / "run.json"
    if record.exists():  # this continues a shorter run
        minutes += json.loads(record.read_text(encoding="utf-8"))["cpu_minutes"]
    parameters = sum(p.numel() for p in variant.build(config).parameters())
    about = {"cpu_minutes": round(minutes, 1), "parameters": parameters, "steps": steps}
    record.write_text(json.dumps(about), encoding="utf-8")


def mouth_psnr(generated: Tensor, true: Tensor, boxes: Tensor) -> float:
    """PSNR in dB within the padded mouth boxes [F, 4] px of uint8 frames [F, H, W, 3]."""
    error, count = 0.0, 0
    height, width = generated.shape[1:3]
    for a, b, box in zip(generated, true, pad_boxes(boxes, MOUTH_PAD).tolist(), strict=True):
        x0, y0, x1, y1 = (round(value) for value in box)
        area = (slice(max(y0, 0), min(y1, height)), slice(max(x0, 0), min(x1, width)))
        difference = a[area].double() - b[area].double()
        error, count = error + float(difference.square().sum()), count + difference.numel()
    return 10 * float(np.log10(255**2 / max(error / max(count, 1), 1e-9)))


def measure_run(data: Path, folder: Path, name: str, seed: int) -> None:
    """Figures of one run, one row a held-out prompt; `truth` is the ceiling: the true clips."""
    dataset = load_dataset(data)
    judges, rows = judges_for(dataset), []
    pipeline = load_pipeline()
    if name != "truth":
        model = VARIANTS[name].build(config_of(name))
        tensors = load_file(folder / f"{name}-{seed}" / "jova.safetensors")
        model.load_state_dict({k: v.float() for k, v in tensors.items()})
        pipeline = replace(pipeline, model=model.eval())
    cases = clip_cases(dataset, PROMPTS)
    with LipDetector() as eyes, Bar(f"{name} {seed}", "clip") as progress:
        for i, case in enumerate(cases):
            true = load_clip(dataset, case.clip)
            if name == "truth":
                clip = acted = through_codecs(dataset, case.clip, pipeline.codecs)
            else:
                how = SampleSettings(seed=i)
                clip = generate(pipeline, case.prompt, FRAMES, how)
                given = Given(image=true["frames"][0], audio=true["audio"])
                acted = generate(pipeline, case.prompt, FRAMES, how, given=given)
            seen = measure(clip, judges, eyes, fps=dataset.fps)
            rows.append(
                {
                    "words": words_right([case.words], [seen.heard]),
                    "sync": None if np.isnan(seen.sync.opening) else seen.sync.opening,
                    "offset": seen.sync.offset_frames,
                    "mouth_psnr": mouth_psnr(acted.frames, true["frames"], true["mouth_box"]),
                }
            )
            progress(i + 1, len(cases))
    path = folder / f"{name}-{seed}.rows.json"
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(rows), encoding="utf-8")


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of a mean over prompts."""
    rng = np.random.default_rng(0)
    picks = rng.integers(len(differences), size=(RESAMPLES, len(differences)))
    low, high = np.quantile(differences[picks].mean(axis=1), (0.025, 0.975))
    return round(float(low), 4), round(float(high), 4)


def by_prompt(folder: Path, name: str, seeds: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Each figure `[prompts]`, mean over the seeds; a still mouth or a silent clip has sync 0."""
    runs = [json.loads((folder / f"{name}-{s}.rows.json").read_text("utf-8")) for s in seeds]
    return {
        key: np.mean([[row[key] or 0.0 for row in rows] for rows in runs], axis=0)
        for key in ("words", "sync", "mouth_psnr")
    } | {"offset": np.array([row["offset"] for rows in runs for row in rows], dtype=object)}


def summarise(folder: Path) -> dict[str, Any]:
    """All runs in figures, with paired intervals of their difference from `joint`."""
    joint, runs = by_prompt(folder, "joint", SEEDS), []
    for name, variant in VARIANTS.items():
        own = by_prompt(folder, name, SEEDS)
        about = [json.loads((folder / f"{name}-{s}" / "run.json").read_text()) for s in SEEDS]
        entry = {"name": name, "about": variant.about, "parameters": about[0]["parameters"]}
        entry["cpu_minutes"] = [run["cpu_minutes"] for run in about]
        for key in ("sync", "words", "mouth_psnr"):
            entry[key] = round(float(own[key].mean()), 4)
            entry[f"{key}_by_seed"] = [
                round(float(by_prompt(folder, name, (s,))[key].mean()), 4) for s in SEEDS
            ]
            entry[f"{key}_minus_joint"] = interval(own[key] - joint[key])
        known = [offset for offset in own["offset"] if offset is not None]
        entry["offset_frames"] = median(known) if known else None
        entry["low"], entry["high"] = interval(own["sync"])
        runs.append(entry)
    truth = by_prompt(folder, "truth", (0,))
    ceiling = {key: round(float(truth[key].mean()), 4) for key in ("words", "sync", "mouth_psnr")}
    return {
        "about": "low and high: 95 % bootstrap interval of sync over the prompts; "
        "*_minus_joint: paired interval of the difference from joint, prompt by prompt",
        "prompts": len(joint["sync"]),
        "seeds": list(SEEDS),
        "steps": about[0]["steps"],
        "ceiling": ceiling,
        "runs": runs,
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| Run | What differs | Parameters | CPU min a run | Words | Sync | − joint | Offset "
        "(frames) | Mouth PSNR | − joint |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in figures["runs"]:
        cells = [run["name"], run["about"], f"{run['parameters'] / 1e6:.1f} M"]
        cells += [" and ".join(f"{m:.1f}" for m in run["cpu_minutes"])]
        cells += [f"{run['words']:.3f}", f"{run['sync']:.3f}", _range(run["sync_minus_joint"], 3)]
        cells += [f"{run['offset_frames']}", f"{run['mouth_psnr']:.2f}"]
        cells += [_range(run["mouth_psnr_minus_joint"], 2)]
        lines.append(f"| {' | '.join(cells)} |")
    top = figures["ceiling"]
    lines.append(
        f"| ceiling | the true clips through the codecs | | | {top['words']:.3f} | "
        f"{top['sync']:.3f} | | | {top['mouth_psnr']:.2f} | |"
    )
    return "\n".join(lines)


def _range(values: tuple[float, float], digits: int) -> str:
    low, high = values
    return "" if low == high == 0 else f"{low:+.{digits}f} … {high:+.{digits}f}"


def run() -> None:
    """One part of the experiment."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", nargs=2, metavar=("NAME", "SEED"))
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "SEED"))
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--steps", type=int, default=2600)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = one_length(options.data, options.folder / "data")
    if options.train:
        train_run(data, options.folder, options.train[0], int(options.train[1]), options.steps)
    if options.measure:
        measure_run(data, options.folder, options.measure[0], int(options.measure[1]))
    if options.table:
        figures = summarise(options.folder)
        target = Path(__file__).with_name("ablation.json")
        target.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(table(figures) + "\n")


if __name__ == "__main__":
    run()
