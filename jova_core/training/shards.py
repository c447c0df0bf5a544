"""Encoded clips on disk: safetensors shards with the outcome of each clip in their metadata.

A shard is written whole or not at all, so an interrupted run loses no more than one batch.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..codecs import LatentStats
from ..errors import JoVAError
from ..files import atomic_write, read_metadata, read_tensors, write_tensors
from ..prompt import Prompt

FORMAT = "jova-encoded-1"
PATTERN = "shard-*.safetensors"
INDEX = "clips.json"  # ids of the clips of the last run
_KIND = ("shard", "a folder written by `jova data encode`")


@dataclass(frozen=True, kw_only=True)
class TrainingClip:
    """A clip's data for training besides its tensors."""

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
    """The outcome of one clip: encoded, with notes, or rejected for a reason."""

    id: str
    source: str
    clip: TrainingClip | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """The data of a `LatentSet`: raw latents `<id>.video` and `<id>.audio`, mouth masks.

    Some clips have `<id>.disguised` too, their speech in another voice and room, and `<id>.sounds`,
    the times of the transcript's sounds. A clip of 0 frames is a voice alone, without video and
    mask.
    """

    clips: tuple[TrainingClip, ...]
    latents: dict[str, Tensor]
    masks: dict[str, Tensor]
    stats: LatentStats


def write_shard(
    folder: Path, tensors: dict[str, Tensor], outcomes: Sequence[Outcome], stats: LatentStats
) -> Path:
    """Write the next shard: what `encode_clip` gave of every clip, each under `<id>.<name>`."""
    numbers = [int(path.stem.split("-")[1]) for path in folder.glob(PATTERN)]
    path = folder / f"shard-{max(numbers, default=-1) + 1:05d}.safetensors"
    about = {
        "format": FORMAT,
        "stats": stats.to_json(),
        "outcomes": json.dumps([asdict(outcome) for outcome in outcomes]),
    }
    write_tensors(path, tensors or {"empty": torch.zeros(1)}, about)
    return path


def read_outcomes(folder: Path) -> dict[str, Outcome]:
    """Outcomes of earlier runs, by clip id."""
    shards = (_read(path, read_metadata(path, *_KIND)) for path in _paths(folder))
    return {outcome.id: outcome for outcomes, _ in shards for outcome in outcomes}


def write_index(folder: Path, ids: Iterable[str]) -> None:
    """Write the ids of the data set's clips; older shards may contain others."""
    with atomic_write(folder / INDEX) as temporary:
        temporary.write_text(json.dumps(sorted(ids)), encoding="utf-8")


def read_encoded(folder: Path) -> Encoded:
    """All encoded clips of the data set. Raises JoVAError for none."""
    clips, latents, masks, stats = [], {}, {}, None
    only = _read_index(folder)
    for path in _paths(folder):
        tensors, about = read_tensors(path, *_KIND)
        outcomes, shard_stats = _read(path, about)
        stats = stats or shard_stats
        if shard_stats.to_json() != stats.to_json():
            raise JoVAError(
                f"{folder} contains latents of two different codecs; encode into a new folder."
            )
        for outcome in outcomes:
            clip = outcome.clip
            if clip is None or (only is not None and clip.id not in only):
                continue
            needed = ("video", "audio", "mouth") if clip.frames else ("audio",)
            if not tensors.keys() >= {f"{clip.id}.{part}" for part in needed}:
                raise _damaged(path, KeyError(clip.id))
            clips.append(clip)
            for part in ("video", "audio", "disguised", "sounds"):
                if (name := f"{clip.id}.{part}") in tensors:
                    latents[name] = tensors[name]
            if clip.frames:
                masks[clip.id] = tensors[f"{clip.id}.mouth"]
    if stats is None or not clips:
        raise JoVAError(f"{folder} contains no encoded clips; encode some with `jova data encode`.")
    return Encoded(clips=tuple(clips), latents=latents, masks=masks, stats=stats)


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob(PATTERN))


def _read(path: Path, about: dict[str, str]) -> tuple[list[Outcome], LatentStats]:
    """Outcomes and statistics in the metadata of a shard."""
    if about.get("format") != FORMAT:
        raise JoVAError(f"{path} is not a shard of encoded clips; move it out of the folder.")
    try:
        outcomes = [_outcome(raw) for raw in json.loads(about["outcomes"])]
        return outcomes, LatentStats.from_json(about["stats"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error


def _read_index(folder: Path) -> set[str] | None:
    """The ids of the data set's clips, if they are listed."""
    path = folder / INDEX
    try:
        return set(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
    except (ValueError, TypeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> JoVAError:
    return JoVAError(f"{path} is damaged ({error}); delete it and encode the data set again.")


def _outcome(raw: dict[str, Any]) -> Outcome:
    clip = raw.pop("clip")
    notes = tuple(raw.pop("notes"))
    return Outcome(**raw, notes=notes, clip=None if clip is None else TrainingClip(**clip))
