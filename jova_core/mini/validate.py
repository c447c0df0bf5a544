"""Prompts that are rendered and scored while a run trains, with its averaged weights.

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
    """A `TrainCallback` that renders the cases every so many steps, and at the end of the run.

    Clip i starts from the noise of seed + i in every round. `judges` count the words that are
    heard.
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
        """Render and score where it is time; never stops the run."""
        if progress.step % self.every and progress.step != progress.steps:
            return False
        with pipeline_of(progress, self.codecs, self.encoders) as pipeline:
            line = pipeline.timeline
            clips = [
                generate(
                    pipeline,
                    case.prompt,
                    case.frames,
                    replace(self.settings, seed=self.settings.seed + i),
                )
                for i, case in enumerate(self.cases)
            ]
        self._keep(clips, line, progress.samples)
        scores = {"step": progress.step, "samples": progress.samples} | self._scores(clips, line)
        with (self.out / VALIDATION_LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(scores) + "\n")
        return False

    def _keep(self, clips: Sequence[Clip], line: Timeline, samples: int) -> None:
        (self.out / FOLDER).mkdir(exist_ok=True)
        for i, clip in enumerate(clips):
            write_clip(
                self.out / FOLDER / f"{samples}-{i}.mp4",
                clip.frames,
                clip.audio,
                fps=line.fps,
                sample_rate=line.sample_rate,
                scale=ENLARGED if max(clip.frames.shape[1:3]) < SMALL else 1,
            )

    def _scores(self, clips: Sequence[Clip], line: Timeline) -> dict[str, Any]:
        """Means over the clips; None where nothing can be said."""
        with LipDetector(self.face_model) as eyes:
            found = [
                judge_sync(eyes.detect(clip.frames), clip.audio, line.sample_rate, line.fps)
                for clip in clips
            ]
        known = [f.sync.opening for f in found if not math.isnan(f.sync.opening)]
        scores = {
            "sync": round(sum(known) / len(known), 4) if known else None,
            "faces": round(sum(f.sync.face_share for f in found) / len(found), 4),
            "silent": sum(f.audio.rms_db < SILENT_DB for f in found),
        }
        if self.judges is not None:
            heard = self.judges.recogniser.recognise([clip.audio for clip in clips])
            scores["words"] = round(words_right([case.words for case in self.cases], heard), 4)
        return scores
