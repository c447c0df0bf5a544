"""Passes, seconds and errors of cheaper sampling: the tables of savings.md.

python experiments/savings.py
"""

import sys
from dataclasses import replace
from statistics import median
from typing import Any

from jova_core.bench.cli import PROMPT
from jova_core.bench.timing import rounds
from jova_core.kernels import fast_fp32
from jova_core.latents import AVLatents
from jova_core.mini import load_pipeline
from jova_core.pipeline import JoVAPipeline, SampleSettings, sample

FRAMES, REPEAT = 33, 5
HIGH = (0.7, 1.0)
SETTINGS = {
    "default": SampleSettings(),
    "video guided above 0.7": SampleSettings(cfg_video_range=HIGH),
    "the same, audio against the audio branch alone": SampleSettings(
        cfg_video_range=HIGH, cfg_audio_alone=True
    ),
    "both guided above 0.7": SampleSettings(cfg_video_range=HIGH, cfg_audio_range=HIGH),
    "cache 0.1": SampleSettings(cache=0.1),
    "cache 0.2": SampleSettings(cache=0.2),
    "cache 0.3": SampleSettings(cache=0.3),
    "cache 0.2, both guided above 0.7": SampleSettings(
        cache=0.2, cfg_video_range=HIGH, cfg_audio_range=HIGH
    ),
    "15 steps": SampleSettings(steps=15),
    "16 steps of ab2": SampleSettings(steps=16, solver="ab2"),
}
# What the error is measured against, and the seeds over which it is a mean.
FINE, SEEDS = SampleSettings(steps=120, solver="ab2"), (0, 1, 2)


class Counted:
    """A network that counts its passes over one clip; a pass over one branch counts its share."""

    def __init__(self, pipeline: JoVAPipeline) -> None:
        self.model, self.config, self.passes = pipeline.model, pipeline.config, 0.0

    def __call__(self, x: AVLatents, *rest: Any) -> AVLatents:
        tokens = self.config.text_tokens
        audio = x.audio.shape[2] // self.config.audio_patch + tokens
        if x.video is None:
            _, rows, columns = self.config.patch
            spec = self.config.video
            side = spec.height // spec.spatial_ratio // rows
            grid = side * (spec.width // spec.spatial_ratio // columns)
            self.passes += audio / (audio + tokens + grid * ((FRAMES - 1) // 4 + 1))
        else:
            self.passes += len(x.video)
        return self.model(x, *rest)


def error(made: AVLatents, fine: AVLatents) -> tuple[float, float]:
    """Relative errors of video and audio latents."""
    pairs = ((made.video, fine.video), (made.audio, fine.audio))
    video, audio = (float((a - b).norm() / b.norm()) for a, b in pairs)
    return video, audio


def errors(pipeline: JoVAPipeline) -> dict[str, tuple[float, float]]:
    """The mean errors of every setting against finely sampled latents of the same noise."""

    def made(settings: SampleSettings) -> list[AVLatents]:
        return [sample(pipeline, PROMPT, FRAMES, replace(settings, seed=n)) for n in SEEDS]

    fine = made(FINE)
    of_all = {}
    for name, settings in SETTINGS.items():
        rows = [error(*pair) for pair in zip(made(settings), fine, strict=True)]
        of_all[name] = tuple(sum(row) / len(row) for row in zip(*rows, strict=True))
    return of_all


def main() -> None:
    """Measure all settings side by side and print the table."""
    pipeline = load_pipeline()

    def work(settings: SampleSettings, model: Any = None) -> None:
        with fast_fp32():
            used = pipeline if model is None else replace(pipeline, model=model)
            sample(used, PROMPT, FRAMES, settings)

    times = rounds({name: lambda s=s: work(s) for name, s in SETTINGS.items()}, REPEAT)
    wrong = errors(pipeline)
    lines = ["| Setting | Passes | Seconds | Times faster | Error, video | audio |"]
    lines.append("|---|---|---|---|---|---|")
    for name, settings in SETTINGS.items():
        counted = Counted(pipeline)
        work(settings, counted)
        ratio = median(a / b for a, b in zip(times["default"], times[name], strict=True))
        seconds, (video, audio) = median(times[name]), wrong[name]
        cost = f"{counted.passes:.1f} | {seconds:.2f} | {ratio:.2f}"
        lines.append(f"| {name} | {cost} | {video:.3f} | {audio:.3f} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
