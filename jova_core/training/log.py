"""The log of a run: a line of JSON every few steps, with every loss by name and by time."""

import json
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from torch import Tensor

from ..files import atomic_write
from .data import Batch
from .distributed import Distributed
from .loss import LossTerms, time_bins
from .settings import TrainSettings

LOG, VALIDATION_LOG = "log.jsonl", "validation.jsonl"  # in the folder of a run


def write_line(log: IO[str], line: dict[str, Any], distributed: Distributed) -> None:
    """One line of JSON, on disk at once; from the first process only."""
    if distributed.first:
        log.write(json.dumps(line) + "\n")
        log.flush()


def trim_logs(out: Path, step: int, distributed: Distributed) -> None:
    """Drop the lines of a killed run after its saved state, and an incomplete line."""
    for path in (out / LOG, out / VALIDATION_LOG):
        if not distributed.first or not path.exists():
            continue
        lines = []
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                if json.loads(line)["step"] <= step:
                    lines.append(line + "\n")
        with atomic_write(path) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")


def logged_losses(out: Path) -> list[float]:
    """The losses of a run so far."""
    path = out / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line)["loss"] for line in lines]


def describe(
    batch: Batch, terms: LossTerms, norm: Tensor, settings: TrainSettings, distributed: Distributed
) -> dict[str, Any]:
    """The log line of a step: every loss term over the whole batch, some also by bins of σ.

    All processes call it, since it gathers their samples.
    """
    alignment = terms.audio.new_zeros(1) if terms.alignment is None else terms.alignment
    video, audio, total, mouth, sigma_video, sigma_audio, share, alignment = (
        distributed.gather(value.detach().float().contiguous()).cpu()
        for value in (
            terms.video_plain,
            terms.audio,
            terms.weighed(settings),
            terms.mouth,
            batch.sigma_video,
            batch.sigma_audio,
            batch.mouth.mean(dim=(1, 2, 3, 4)),
            alignment,
        )
    )
    aligned = {} if terms.alignment is None else {"alignment": round(float(alignment.mean()), 5)}
    return {
        "loss": round(float(total.mean()), 5),
        "video": round(float(video.mean()), 5),
        "audio": round(float(audio.mean()), 5),
        "mouth": round(float(mouth.mean()), 5),
        **aligned,
        "mouth_share": round(float(share.mean()), 5),
        "grad_norm": round(float(norm), 4),
        "video_by_time": time_bins(sigma_video, video),
        "audio_by_time": time_bins(sigma_audio, audio),
    }
