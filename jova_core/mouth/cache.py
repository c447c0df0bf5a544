"""Mouth masks of a whole data set, measured once and kept in one file.

Legend: F frames, T video latents, h and w latent rows and columns.
"""

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..config import JoVAError
from ..files import atomic_write, read_tensors
from .landmarks import LipDetector, find_landmarker
from .masks import box_iou, latent_mask

FORMAT = "jova-mouth-masks-1"
BATCH = 16  # clips per job: enough that loading the model costs nothing


class _Clip(Protocol):
    id: str


class ClipFolder(Protocol):
    """What is needed of a data set: its folder, its frame size and its clips."""

    root: Path
    height: int
    width: int
    clips: Sequence[_Clip]


@dataclass(frozen=True, kw_only=True)
class ClipMask:
    """One clip's mask and how the detector did on it."""

    clip: str
    mask: Tensor  # uint8 [T, h, w]
    found: float  # share of the looked-at frames with a face
    iou: float  # mean overlap of measured and drawn lip box over the measured frames, or NaN


def cache_masks(
    dataset: ClipFolder,
    out_path: str | Path,
    *,
    every: int = 4,
    workers: int = 2,
    model_path: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Detect lips in every clip, write {clip id: uint8 mask [T, H/8, W/8]}, return the summary.

    The summary (clips, found share, mask share, mean IoU with the drawn lip box, clips without
    any face) also stands in the file's metadata. `progress(done, total)` is called after each
    batch. JoVAError if the landmark model or the data set's clips are missing.
    """
    if workers < 1:
        raise JoVAError(f"{workers} workers cannot find mouths; give 1 or more.")
    model = find_landmarker(model_path)
    files = [Path(dataset.root) / "clips" / f"{clip.id}.safetensors" for clip in dataset.clips]
    batches = [files[i : i + BATCH] for i in range(0, len(files), BATCH)]
    job = partial(_measure_batch, model, dataset.height, dataset.width, every)
    results: list[ClipMask] = []
    # A forked child would inherit MediaPipe's and torch's threads half alive.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for done in pool.map(job, batches):
            results.extend(done)
            if progress:
                progress(len(results), len(files))
    summary = summarise(results, every=every)
    _write(results, summary, Path(out_path))
    return summary


def load_masks(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """Masks by clip id, uint8 [T, H/8, W/8], and the summary, as `cache_masks` wrote them."""
    masks, about = read_tensors(path, "mouth masks", "a file that `jova data encode` wrote")
    if about.get("format") != FORMAT:
        raise JoVAError(
            f"{path} holds no mouth masks (its format is {about.get('format')}); make them with "
            "`jova data encode`."
        )
    return masks, json.loads(about["summary"])


def summarise(results: Sequence[ClipMask], *, every: int) -> dict:
    """Means over the clips, JSON-able; `iou` is None when the clips have no drawn boxes."""
    ious = torch.tensor([r.iou for r in results])
    known = ious[~torch.isnan(ious)]
    return {
        "clips": len(results),
        "every": every,
        "found": float(torch.tensor([r.found for r in results]).mean()),
        "mask_share": float(torch.tensor([r.mask.float().mean() for r in results]).mean()),
        "iou": float(known.mean()) if len(known) else None,
        "iou_p05": float(known.quantile(0.05)) if len(known) else None,
        "without_face": [r.clip for r in results if r.found == 0],
    }


def _measure_batch(
    model: Path, height: int, width: int, every: int, files: Sequence[Path]
) -> list[ClipMask]:
    torch.set_num_threads(1)
    with LipDetector(model) as detector:
        return [_measure_clip(detector, file, height, width, every) for file in files]


def _measure_clip(
    detector: LipDetector, file: Path, height: int, width: int, every: int
) -> ClipMask:
    clip, _ = read_tensors(file, "clip", "a clip of the data set, or render it again")
    track = detector.detect(clip["frames"], every=every)
    looked_at = len(range(0, len(track.measured), every))
    iou = float("nan")
    if "mouth_box" in clip and track.measured.any():
        iou = float(box_iou(track.boxes, clip["mouth_box"])[track.measured].mean())
    return ClipMask(
        clip=file.stem,
        mask=latent_mask(track.boxes, track.found, height=height, width=width).byte(),
        found=float(track.measured[::every].sum()) / looked_at,
        iou=iou,
    )


def _write(results: Sequence[ClipMask], summary: dict, path: Path) -> None:
    metadata = {"format": FORMAT, "summary": json.dumps(summary)}
    with atomic_write(path) as temporary:
        save_file({r.clip: r.mask.contiguous() for r in results}, temporary, metadata)
