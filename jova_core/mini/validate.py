"""Prompts, generated and scored during a training run, with its EMA weights.

Clips go to the run's folder `validation`, the scores of each round are a line of validation.jsonl.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..codecs import Codecs, TextEncoder
from ..decoding import Clip, generate
from ..media import write_clip
from ..mouth.landmarks import LipDetector
from ..pipeline import SampleSettings
from ..sync.report import judge_sync
from ..timeline import Timeline
from ..training.ema_pipeline import pipeline_of
from ..training.log import VALIDATION_LOG
from ..training.loop import TrainProgress
from .evaluation.cases import Case
from .evaluation.judges import Judges
from .evaluation.words import words_right

FOLDER = "validation"
SMALL, ENLARGED = 256, 4  # px below which clips are enlarged for the eye, and by how much
SILENT_DB = -60.0


@dataclass(frozen=True, kw_only=True)
class Validation:
    """A `TrainCallback`: generates the cases every `every` steps, and at the end of the run.

    Clip i starts from the noise of seed + i in every round. `judges` count the words heard.
    """

    out: Path
    cases: Sequence[Case]
    every: int
    codecs: Codecs
    encoders: tuple[TextEncoder, ...]
    face_model: Path
    judges: Judges | None = None
    settings: SampleSettings = field(default_factory=SampleSettings)

    def __call__(self, progress: TrainProgress) -> bool:
        """Generate and score if it is time; never stops the run."""
        if progress.step % self.every and progress.step != progress.steps:
            return False
        with pipeline_of(progress, self.codecs, self.encoders) as pipeline:
            timeline = pipeline.timeline
            clips = [
                generate(
                    pipeline,
                    case.prompt,
                    case.frames,
                    replace(self.settings, seed=self.settings.seed + i),
                )
                for i, case in enumerate(self.cases)
            ]
        self._write(clips, timeline, progress.samples)
        scores = {"step": progress.step, "samples": progress.samples} | self._scores(
            clips, timeline
        )
        with (self.out / VALIDATION_LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(scores) + "\n")
        return False

    def _write(self, clips: Sequence[Clip], timeline: Timeline, samples: int) -> None:
        (self.out / FOLDER).mkdir(exist_ok=True)
        for i, clip in enumerate(clips):
            write_clip(
                self.out / FOLDER / f"{samples}-{i}.mp4",
                clip.frames,
                clip.audio,
                fps=timeline.fps,
                sample_rate=timeline.sample_rate,
                scale=ENLARGED if max(clip.frames.shape[1:3]) < SMALL else 1,
            )

    def _scores(self, clips: Sequence[Clip], timeline: Timeline) -> dict[str, Any]:
        """Means over the clips; None without a figure."""
        with LipDetector(self.face_model) as detector:
            reports = [
                judge_sync(
                    detector.detect(clip.frames), clip.audio, timeline.sample_rate, timeline.fps
                )
                for clip in clips
            ]
        openings = [r.sync.opening for r in reports if not math.isnan(r.sync.opening)]
        scores = {
            "sync": round(sum(openings) / len(openings), 4) if openings else None,
            "faces": round(sum(r.sync.face_share for r in reports) / len(reports), 4),
            "silent": sum(r.audio.rms_db < SILENT_DB for r in reports),
        }
        if self.judges is not None:
            heard = self.judges.recogniser.recognise([clip.audio for clip in clips])
            scores["words"] = round(words_right([case.words for case in self.cases], heard), 4)
        return scores
