"""Encoded clips on disk: safetensors shards that say in their metadata what became of each clip.

A shard is written whole or not at all, so a run that is cut off loses one batch and no more.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..codecs.checkpoint import LatentStats
from ..config import JoVAError
from ..files import atomic_write, read_metadata, read_tensors
from ..prompt import Prompt

FORMAT = "jova-encoded-1"
PATTERN = "shard-*.safetensors"
INDEX = "clips.json"  # ids of the clips that the last run asked for
WANTED = ("shard", "a folder that `jova data encode` filled")


@dataclass(frozen=True, kw_only=True)
class TrainingClip:
    """What training needs to know of a clip beside its tensors."""

    id: str
    frames: int
    video_caption: str
    audio_caption: str
    transcript: str

    @property
    def prompt(self) -> Prompt:
        """Its captions and transcript."""
        return Prompt(
            video_caption=self.video_caption,
            audio_caption=self.audio_caption,
            transcript=self.transcript,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one clip: encoded, with its notes, or rejected for a reason."""

    id: str
    source: str
    clip: TrainingClip | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Everything `LatentSet` draws from: raw latents `<id>.video` and `<id>.audio`, mouth masks."""

    clips: tuple[Any, ...]
    latents: dict[str, Tensor]
    masks: dict[str, Tensor]
    stats: LatentStats


def write_shard(
    folder: Path, tensors: dict[str, Tensor], outcomes: Sequence[Outcome], stats: LatentStats
) -> Path:
    """Write the next shard: `<id>.video`, `<id>.audio`, `<id>.mouth` of what was encoded."""
    numbers = [int(path.stem.split("-")[1]) for path in folder.glob(PATTERN)]
    path = folder / f"shard-{max(numbers, default=-1) + 1:05d}.safetensors"
    about = {
        "format": FORMAT,
        "stats": stats.to_json(),
        "outcomes": json.dumps([asdict(outcome) for outcome in outcomes]),
    }
    kept = {name: value.contiguous() for name, value in tensors.items()}
    with atomic_write(path) as temporary:
        save_file(kept or {"empty": torch.zeros(1)}, temporary, metadata=about)
    return path


def read_outcomes(folder: Path) -> dict[str, Outcome]:
    """What earlier runs did, by clip id."""
    found = (_read(path, read_metadata(path, *WANTED)) for path in _paths(folder))
    return {outcome.id: outcome for outcomes, _ in found for outcome in outcomes}


def write_index(folder: Path, ids: Iterable[str]) -> None:
    """Say which clips belong to the data set now; others may lie in older shards."""
    with atomic_write(folder / INDEX) as temporary:
        temporary.write_text(json.dumps(sorted(ids)), encoding="utf-8")


def read_encoded(folder: Path) -> Encoded:
    """All encoded clips that belong to the data set. Raises JoVAError where there are none."""
    clips, latents, masks, stats = [], {}, {}, None
    index = folder / INDEX
    only = set(json.loads(index.read_text(encoding="utf-8"))) if index.is_file() else None
    for path in _paths(folder):
        tensors, about = read_tensors(path, *WANTED)
        outcomes, shard_stats = _read(path, about)
        stats = stats or shard_stats
        if shard_stats.to_json() != stats.to_json():
            raise JoVAError(
                f"{folder} holds latents of two different codecs; encode into a new folder."
            )
        for outcome in outcomes:
            clip = outcome.clip
            if clip is not None and (only is None or clip.id in only):
                clips.append(clip)
                latents |= {f"{clip.id}.{s}": tensors[f"{clip.id}.{s}"] for s in ("video", "audio")}
                masks[clip.id] = tensors[f"{clip.id}.mouth"]
    if stats is None or not clips:
        raise JoVAError(f"{folder} holds no encoded clips; make them with `jova data encode`.")
    return Encoded(clips=tuple(clips), latents=latents, masks=masks, stats=stats)


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob(PATTERN))


def _read(path: Path, about: dict[str, str]) -> tuple[list[Outcome], LatentStats]:
    """What the metadata of a shard tells."""
    if about.get("format") != FORMAT:
        raise JoVAError(f"{path} is no shard of encoded clips; move it out of the folder.")
    outcomes = [_outcome(raw) for raw in json.loads(about["outcomes"])]
    return outcomes, LatentStats.from_json(about["stats"])


def _outcome(raw: dict[str, Any]) -> Outcome:
    clip = raw.pop("clip")
    notes = tuple(raw.pop("notes"))
    return Outcome(**raw, notes=notes, clip=None if clip is None else TrainingClip(**clip))
