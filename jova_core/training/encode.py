"""Clips → latents and mouth masks: in parallel, resumable, with a reason for each refusal."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..codecs import Codecs
from ..config import JoVAConfig
from ..errors import JoVAError
from ..media.pixels import to_video
from ..mouth.landmarks import LipDetector, find_landmarker, sampled_frames
from ..mouth.masks import latent_mask
from ..processes import process_pool
from .lock import locked
from .shards import Outcome, TrainingClip, read_outcomes, write_index, write_shard
from .source import ClipSource, RejectedError, SourceClip

BATCH = 8  # clips per job and shard: the most that an interrupted run loses


@dataclass(frozen=True, kw_only=True)
class MouthRules:
    """Rules for finding mouths. Values are ours."""

    every: int = 2  # frames between two searches
    min_share: float = 0.5  # of the searched frames must have a face


def encode_clips(
    source: ClipSource,
    out: Path,
    config: JoVAConfig,
    load_codecs: Callable[[], Codecs],
    *,
    mouths: MouthRules | None = None,
    workers: int = 2,
    model_path: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:
    """Encode new clips into shards in `out`; returns the outcome of every entry.

    `config` gives rates and picture size; `load_codecs` is called once in each process. Results
    of an earlier run for the same clip and rules are reused; clips no longer in the source stay in
    their shards but are not trained on. `progress(done, total)` follows each
    clip. Raises JoVAError for an unusable folder or face model.
    """
    if workers < 1:
        raise JoVAError(f"Got {workers} workers; give 1 or more.")
    model = find_landmarker(model_path) if source.needs_mouths() else None
    codecs = load_codecs()
    if out.is_file():
        raise JoVAError(f"Got the file {out}; expected a folder to encode into; name another.")
    results = read_outcomes(out)
    mouths = mouths or MouthRules()
    keys = {_key(source.key(e), config, codecs, mouths): e for e in source.entries()}
    pending = [(key, entry) for key, entry in keys.items() if key not in results]
    batches = [pending[i : i + BATCH] for i in range(0, len(pending), BATCH)]
    job = _Job(source=source, config=config, load_codecs=load_codecs, mouths=mouths, model=model)
    count, total = len(keys) - len(pending), len(keys)

    def clip_done() -> None:
        nonlocal count
        count += 1
        if progress is not None:
            progress(count, total)

    with locked(out):
        for tensors, outcomes in _encode_batches(job, batches, workers, clip_done):
            write_shard(out, tensors, outcomes, codecs.stats)
            results |= {outcome.id: outcome for outcome in outcomes}
        write_index(out, keys)
    return [results[key] for key in keys]


def _key(entry: str, config: JoVAConfig, codecs: Codecs, mouths: MouthRules) -> str:
    """16 hex digits of all that an entry's encoding depends on."""
    shape = replace(config.video, mean=(), std=()), replace(config.audio, mean=(), std=())
    parts = (entry, shape, codecs.stats.to_json(), mouths)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """Everything for a process to encode batches."""

    source: ClipSource
    config: JoVAConfig
    load_codecs: Callable[[], Codecs]
    mouths: MouthRules
    model: Path | None


_Batch = Sequence[tuple[str, Any]]
_Encoded = tuple[dict[str, Tensor], list[Outcome]]


def _encode_batches(
    job: _Job, batches: Sequence[_Batch], workers: int, clip_done: Callable[[], None]
) -> Iterator[_Encoded]:
    """The batches in order; a single worker is this process, possibly inside another program."""
    if workers == 1:
        for batch in batches:
            yield _encode_batch(job, batch, clip_done)
        return
    count = min(workers, max(1, len(batches)))
    with process_pool(count, torch.set_num_threads, (1,)) as pool:
        for tensors, outcomes in pool.map(partial(_encode_batch, job), batches):
            for _ in outcomes:
                clip_done()
            yield tensors, outcomes


def _encode_batch(
    job: _Job, batch: _Batch, clip_done: Callable[[], None] = lambda: None
) -> _Encoded:
    codecs, tensors, outcomes = job.load_codecs(), {}, []
    with nullcontext() if job.model is None else LipDetector(job.model) as detector:
        for key, entry in batch:
            about = {"id": key, "source": job.source.name(entry)}
            try:
                clip = job.source.read(entry, job.config)
                encoded, notes = encode_clip(clip, job.config, codecs, detector, job.mouths)
            except (RejectedError, JoVAError) as reason:
                outcomes.append(Outcome(**about, reason=str(reason)))
            except Exception as error:  # one clip never ends the run, whatever is wrong with it
                reason = f"it cannot be encoded ({type(error).__name__}: {error})"
                outcomes.append(Outcome(**about, reason=reason))
            else:
                tensors |= {f"{key}.{name}": value for name, value in encoded.items()}
                record = TrainingClip(id=key, frames=len(clip.frames), **vars(clip.prompt))
                outcomes.append(Outcome(**about, clip=record, notes=notes))
            clip_done()
    return tensors, outcomes


@torch.inference_mode()
def encode_clip(
    clip: SourceClip,
    config: JoVAConfig,
    codecs: Codecs,
    detector: LipDetector | None,
    mouths: MouthRules,
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Raw latents `video` and `audio` in bf16 and the `mouth` mask, uint8 `[T, h, w]`; and notes.

    `disguised` and `sounds` too, where the clip has them; no pictures of a clip without frames.

    Raises RejectedError for a clip without mouths.
    """
    mouth, notes = clip.mouth, clip.notes
    encoded = {"audio": encode_audio(clip.audio, codecs)}
    if clip.sounds is not None:
        encoded["sounds"] = clip.sounds
    if not len(clip.frames):
        return encoded, notes
    if mouth is None:
        mouth, more = _find_mouth(clip.frames, config, detector, mouths)
        notes += more
    encoded["video"] = codecs.video.encode(to_video(clip.frames))[0].bfloat16()
    encoded["mouth"] = mouth.byte()
    if clip.disguised is not None:
        encoded["disguised"] = encode_audio(clip.disguised, codecs)
    return encoded, notes


@torch.inference_mode()
def encode_audio(wave: Tensor, codecs: Codecs) -> Tensor:
    """Raw latents `[C_a, L]` in bf16 of a mono wave `[N]`."""
    return codecs.audio.encode(wave[None])[0].bfloat16()


def _find_mouth(
    frames: Tensor, config: JoVAConfig, detector: LipDetector, rules: MouthRules
) -> tuple[Tensor, tuple[str, ...]]:
    track = detector.detect(frames, every=rules.every)
    share = float(track.measured.sum()) / len(sampled_frames(len(frames), rules.every))
    if share < rules.min_share:
        found = f"a face was found in {share:.0%} of the frames. {track.note}"
        raise RejectedError(found.rstrip(". "))
    missing = int((~track.found).sum())
    notes = (f"no mouth in {missing} of {len(frames)} frames",) if missing else ()
    height, width = config.video.height, config.video.width
    return latent_mask(track.boxes, track.found, height=height, width=width), notes
