"""The clip data set on disk: rendering, the index and reading a clip."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import JoVAError
from ...files import atomic_write, read_tensors, write_problem
from ...processes import process_pool
from .animate import act
from .character import SIZE
from .script import FPS, Split, captions, write_script
from .soften import soften
from .speech import SAMPLE_RATE, Bank, make_bank
from .vocabulary import HeldOut, held_out_pairs

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "jova-clips-1"


@dataclass(frozen=True, kw_only=True)
class WordTime:
    """One spoken word with start and end in seconds."""

    word: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class ClipInfo:
    """One clip of the index; `split` is train, heldout or unseen, `frames` its length F."""

    id: str
    split: Split
    video_caption: str
    audio_caption: str
    transcript: str
    frames: int
    attributes: dict[str, str | None]
    voice: str
    words: tuple[WordTime, ...]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A clip data set: its folder, rates (Hz), picture size (px), clips and held-out pairs."""

    root: Path
    seed: int
    fps: int
    sample_rate: int
    height: int
    width: int
    clips: tuple[ClipInfo, ...]
    held_out: HeldOut


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What every clip of one data set shares."""

    root: Path
    seed: int
    splits: tuple[Split, ...]
    held_out: HeldOut
    bank: Bank


def make_mini(
    root: Path,
    *,
    clips: int = 4000,
    held_out_clips: int = 200,
    unseen_clips: int = 200,
    seed: int = 0,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Renders training clips, then held-out clips and those of unseen words, into `root`.

    Clip i depends on (seed, i) and its split only, so the files are the same for any number of
    workers. `progress(done, total)` is called after every clip. JoVAError: bad numbers, a
    folder that already holds a data set, no espeak-ng.
    """
    if clips < 1 or workers < 1 or min(held_out_clips, unseen_clips, seed) < 0:
        raise JoVAError(
            f"clips={clips}, held_out_clips={held_out_clips}, unseen_clips={unseen_clips}, "
            f"workers={workers}, seed={seed}: clips and workers start at 1, the others at 0."
        )
    root = Path(root)
    if (root / "dataset.json").exists():
        raise JoVAError(f"{root} already contains a data set; give another folder or delete it.")
    try:
        (root / "clips").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_problem(root / "clips", error.errno, error.strerror or str(error)) from error
    held_out = held_out_pairs(seed)
    splits = ("train",) * clips + ("heldout",) * held_out_clips + ("unseen",) * unseen_clips
    job = _Job(root=root, seed=seed, splits=splits, held_out=held_out, bank=make_bank())
    infos = []
    for info in _render_all(job, workers):
        infos.append(info)
        if progress is not None:
            progress(len(infos), len(splits))
    dataset = Dataset(
        root=root,
        seed=seed,
        fps=FPS,
        sample_rate=SAMPLE_RATE,
        height=SIZE,
        width=SIZE,
        clips=tuple(infos),
        held_out=held_out,
    )
    _write_index(dataset)
    return dataset


def load_dataset(path: Path) -> Dataset:
    """Reads a data set's index; JoVAError when there is none or it has another format."""
    path = Path(path)
    index = path / "dataset.json"
    if not index.is_file():
        raise JoVAError(
            f"{path} has no dataset.json; give a folder written by `jova data make-mini`."
        )
    try:
        raw = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JoVAError(
            f"{index} is not valid JSON ({error}); render the data set again."
        ) from error
    form = raw.get("format") if isinstance(raw, dict) else None
    if form != FORMAT:
        raise JoVAError(
            f"{index} has format {form!r}; this version reads {FORMAT!r}, "
            "so render the data set again."
        )
    try:
        return _dataset(path, raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise JoVAError(f"{index} is damaged ({error}); render the data set again.") from error


def _dataset(root: Path, raw: dict) -> Dataset:
    clips = tuple(
        ClipInfo(**{**clip, "words": tuple(WordTime(**word) for word in clip["words"])})
        for clip in raw["clips"]
    )
    held_out = HeldOut(
        hair_background=tuple(tuple(pair) for pair in raw["held_out"]["hair_background"]),
        word_pairs=tuple(tuple(pair) for pair in raw["held_out"]["word_pairs"]),
    )
    sizes = {key: raw[key] for key in ("seed", "fps", "sample_rate", "height", "width")}
    return Dataset(root=root, clips=clips, held_out=held_out, **sizes)


def load_clip(dataset: Dataset, info: ClipInfo) -> "dict[str, Tensor]":
    """A clip: frames uint8 [F, H, W, 3], audio [1000 F], lips [F, 2] px, mouth_box [F, 4] px."""
    path = clip_path(dataset.root, info.id)
    return read_tensors(path, "clip", "a whole data set, or render it again")[0]


def clip_path(root: Path, clip_id: str) -> Path:
    """Where the tensors of a clip lie."""
    return root / "clips" / f"{clip_id}.safetensors"


def _render_all(job: _Job, workers: int) -> Iterator[ClipInfo]:
    total = len(job.splits)
    if workers == 1:
        yield from (_render_clip(job, index) for index in range(total))
        return
    with process_pool(workers, _start_worker, (job,)) as pool:
        yield from pool.map(_render_in_worker, range(total), chunksize=4)


# The job of this worker process, set once by _start_worker.
_worker_job: list[_Job] = []


def _start_worker(job: _Job) -> None:
    _worker_job[:] = [job]


def _render_in_worker(index: int) -> ClipInfo:
    return _render_clip(_worker_job[0], index)


def _render_clip(job: _Job, index: int) -> ClipInfo:
    """Draws and writes clip `index`; its random stream is (seed, index)."""
    from safetensors.numpy import save

    split = job.splits[index]
    rng = np.random.default_rng((job.seed, index))
    script = write_script(rng, job.bank, job.held_out, split)
    pictures = act(rng, script)
    tensors = {
        "frames": soften(np.stack([picture.pixels for picture in pictures])),
        "audio": script.audio,
        "lips": np.array([picture.lips for picture in pictures], dtype=np.float32),
        "mouth_box": np.array([picture.mouth_box for picture in pictures], dtype=np.float32),
    }
    video_caption, audio_caption, transcript = captions(script)
    info = ClipInfo(
        id=f"{index:06d}",
        split=split,
        video_caption=video_caption,
        audio_caption=audio_caption,
        transcript=transcript,
        frames=script.frames,
        attributes=script.attributes,
        voice=script.voice,
        words=tuple(
            WordTime(word=word, start=round(start, 4), end=round(end, 4))
            for word, start, end in zip(script.words, script.starts, script.ends, strict=True)
        ),
    )
    with atomic_write(clip_path(job.root, info.id)) as temporary:
        temporary.write_bytes(save(tensors))
    return info


def _write_index(dataset: Dataset) -> None:
    fields = asdict(dataset)
    del fields["root"]
    text = json.dumps({"format": FORMAT, **fields}, indent=1, ensure_ascii=False)
    with atomic_write(dataset.root / "dataset.json") as temporary:
        temporary.write_bytes(text.encode())
