"""The mouths of several faces: each keeps its place in the result while it moves.

Legend: F frames, K faces, H and W pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..config import JoVAError
from .landmarks import LipDetector, check_frames, lip_track

MOST_FACES = 8


@dataclass(frozen=True, kw_only=True)
class MouthTracks:
    """Outer-lip boxes (x0, y0, x1, y1) in pixels of K faces, those seen most often first."""

    boxes: Tensor  # float32 [F, K, 4], NaN where unknown
    found: Tensor  # bool [F, K]: measured, or interpolated over a short gap
    measured: Tensor  # bool [F, K]: the detector saw the face in this very frame

    def summary(self) -> str:
        """One sentence: how many faces, in how many frames measured, bridged and missing."""
        count = len(self.found)
        if not self.found.any():
            return f"No face was found in {count} frames."
        rows = []
        for k in range(self.found.shape[1]):
            measured, found = int(self.measured[:, k].sum()), int(self.found[:, k].sum())
            rows.append(
                f"face {k + 1}: measured in {measured} of {count} frames, interpolated in "
                f"{found - measured}, missing in {count - found}"
            )
        return "; ".join(rows) + "."


def detect_mouths(
    frames: Tensor,
    *,
    faces: int = 1,
    every: int = 1,
    max_gap: int = 8,
    model_path: str | Path | None = None,
) -> MouthTracks:
    """Mouths of up to `faces` faces in uint8 frames [F, H, W, 3].

    Frames 0, every, 2 * every, … and the last are looked at. A face is followed from frame to frame
    by the nearest mouth, within one and a half distances of its eyes' outer corners. Gaps of up to
    `max_gap` frames are interpolated. JoVAError for frames of another kind, another number of
    faces, and where the model is missing.
    """
    if not 1 <= faces <= MOST_FACES:
        raise JoVAError(f"{faces} faces are asked for; give a number from 1 to {MOST_FACES}.")
    check_frames(frames, every)
    count = len(frames)
    sampled = sorted({*range(0, count, every), count - 1})
    with LipDetector(model_path, faces=faces) as detector:
        seen = {i: detector.measure(frames[i]) for i in sampled}
    slots = follow(seen, count)
    slots = sorted(slots, key=lambda rows: -int((~np.isnan(rows[:, 0])).sum()))[:faces]
    tracks = [lip_track(rows, max_gap=max(max_gap, every - 1)) for rows in slots]
    if not tracks:
        tracks = [lip_track(np.full((count, 7), np.nan), max_gap=max_gap)]
    return MouthTracks(
        boxes=torch.stack([t.boxes for t in tracks], dim=1),
        found=torch.stack([t.found for t in tracks], dim=1),
        measured=torch.stack([t.measured for t in tracks], dim=1),
    )


def follow(seen: dict[int, np.ndarray], count: int) -> list[np.ndarray]:
    """Measured faces by frame, each [K, 7], as a table [count, 7] for each; NaN elsewhere."""
    slots: list[np.ndarray] = []
    last: list[np.ndarray] = []
    for frame, rows in sorted(seen.items()):
        free = set(range(len(slots)))
        pairs = sorted(
            (float(np.linalg.norm(_middle(row) - _middle(last[k]))), r, k)
            for r, row in enumerate(rows)
            for k in free
        )
        taken: set[int] = set()
        for distance, r, k in pairs:
            if r not in taken and k in free and distance <= 1.5 * rows[r][6]:
                slots[k][frame], last[k] = rows[r], rows[r]
                taken.add(r)
                free.discard(k)
        for r, row in enumerate(rows):
            if r not in taken:
                table = np.full((count, 7), np.nan)
                table[frame] = row
                slots.append(table)
                last.append(row)
    return slots


def _middle(row: np.ndarray) -> np.ndarray:
    return (row[:2] + row[2:4]) / 2
