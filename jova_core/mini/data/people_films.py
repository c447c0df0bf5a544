"""Films of people on disk, uncompressed: what the codecs are trained and measured on."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from ...config import JoVAConfig
from ...errors import JoVAError
from ...files import atomic_write, write_problem
from ...processes import process_pool
from ...training.source import RejectedError
from ..voices.cache import read_plan, speech_path
from .people_clips import PER_LOOK, Casting, ClipNumber
from .people_source import PeopleSource

INDEX, FORMAT = "films.json", "jova-films-1"


@dataclass(frozen=True, kw_only=True)
class Films:
    """File names of a folder's films by split, and the speech that was there when it was made."""

    train: tuple[str, ...]
    heldout: tuple[str, ...]
    voices: Path
    speech: tuple[str, ...]


def make_films(
    folder: Path,
    voices: Path,
    config: JoVAConfig,
    *,
    clips: int,
    held_out: int,
    seed: int = 0,
    workers: int = 2,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Draw what the folder lacks of `clips` training and `held_out` other films of a config's size.

    They are of many people, each seen in one look. Raises JoVAError for bad numbers.
    """
    if min(clips, held_out, workers) < 1:
        raise JoVAError(
            f"Got {clips} films, {held_out} held-out ones and {workers} workers; give 1 or more."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_problem(folder, error.errno, error.strerror or str(error)) from error
    jobs: list[_Job] = []
    for split, count in (("train", clips), ("heldout", held_out)):
        source = PeopleSource.of_spoken(voices, Casting(seed=seed, cast=10_000, split=split))
        for entry in _entries(count):
            path = folder / f"{split}-{entry.number:06d}.safetensors"
            jobs.append((source, entry, config, path))
    missing = [job for job in jobs if not job[-1].exists()]
    for done, _ in enumerate(_draw(missing, workers), len(jobs) - len(missing) + 1):
        progress(done, len(jobs))
    there = [path.name for *_, path in jobs if path.exists()]
    kept = {s: [n for n in there if n.startswith(s)] for s in ("train", "heldout")}
    spoken = [
        key
        for key, utterance in read_plan(voices).items()
        if utterance.split == "train" and speech_path(voices, key).exists()
    ]
    about = {"format": FORMAT, "voices": str(voices.resolve()), "speech": spoken, **kept}
    with atomic_write(folder / INDEX) as temporary:
        temporary.write_text(json.dumps(about), encoding="utf-8")


def _entries(count: int) -> list[ClipNumber]:
    """Two films of a look are enough: a codec learns from what differs."""
    return [ClipNumber("clip", PER_LOOK["clip"] * (n // 2) + n % 2) for n in range(count)]


def read_films(folder: Path) -> Films:
    """The index of a folder of films; JoVAError when it is none of ours."""
    path = folder / INDEX
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise KeyError(about["format"])
        return Films(
            train=tuple(about["train"]),
            heldout=tuple(about["heldout"]),
            voices=Path(about["voices"]),
            speech=tuple(about["speech"]),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise JoVAError(
            f"{path} is no list of films ({error}); run `jova train-codecs --people` again."
        ) from error


_Job = tuple[PeopleSource, ClipNumber, JoVAConfig, Path]


def _draw(jobs: Sequence[_Job], workers: int) -> Iterator[None]:
    if workers == 1:
        yield from map(_draw_film, jobs)
        return
    with process_pool(workers, torch.set_num_threads, (1,)) as pool:
        yield from pool.map(_draw_film, jobs, chunksize=2)


def _draw_film(job: _Job) -> None:
    """One film in its file; one whose phrase is too long is left out."""
    source, entry, config, path = job
    try:
        clip = source.read(entry, config)
    except RejectedError:
        return
    tensors = {
        "frames": clip.frames,
        "audio": clip.audio,
        "mouth_box": torch.from_numpy(source.lip_boxes(entry, config.video.height)),
    }
    with atomic_write(path) as temporary:
        save_file(tensors, temporary)
