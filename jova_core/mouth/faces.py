"""The mouths of several faces: each keeps its place in the result while it moves.

Legend: F frames, K faces, H and W pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import JoVAError
from .landmarks import LipDetector, LipTrack, Looks, check_frames, lip_track, sampled_frames

MOST_FACES = 8


@dataclass(frozen=True, kw_only=True)
class MouthTracks:
    """Outer-lip boxes (x0, y0, x1, y1) in pixels in K places, the face seen most often first.

    A face keeps its place; whoever comes after it (a cut) may take the place over.
    """

    boxes: Tensor  # float32 [F, K, 4], NaN where unknown
    found: Tensor  # bool [F, K]: measured, or interpolated over a short gap
    measured: Tensor  # bool [F, K]: the detector saw the face in this very frame
    note: str = ""  # why nothing is measured, or how small a face was looked for

    def summary(self) -> str:
        """One sentence: how many faces, in how many frames measured, bridged and missing."""
        count = len(self.found)
        if not self.found.any():
            return " ".join([f"No face was found in {count} frames.", self.note]).rstrip()
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
    progress: Callable[[int, int], None] | None = None,
) -> MouthTracks:
    """Mouths of up to `faces` faces in uint8 frames [F, H, W, 3].

    Frames 0, every, 2 * every, … and the last are looked at. A face is followed from frame to frame
    by the nearest mouth, within one and a half distances of its eyes' outer corners. Gaps of up to
    `max_gap` frames are interpolated, but never from one face to another. `progress(done, total)`
    follows each frame. JoVAError for frames of another kind, another number of faces, and where
    the model is missing.
    """
    _check_count(faces)
    check_frames(frames, every)
    count = len(frames)
    sampled = sampled_frames(count, every)
    with LipDetector(model_path, faces=faces) as detector:
        looks = detector.look(frames, sampled, progress=progress)
    return track_mouths(looks, count, faces=faces, max_gap=max(max_gap, every - 1))


def track_mouths(looks: Looks, count: int, *, faces: int = 1, max_gap: int = 8) -> MouthTracks:
    """Mouths of up to `faces` of the faces that were seen in `count` frames; as `detect_mouths`."""
    _check_count(faces)
    tracks = [lip_track(rows, max_gap=max_gap) for rows in follow(looks.rows, count)]
    return replace(place(tracks, count, faces), note=looks.note)


def place(tracks: Sequence[LipTrack], count: int, places: int) -> MouthTracks:
    """Tracks of `count` frames in at most `places` places; two share one if never measured at once.

    The face seen most often chooses first. What no place is left for is dropped.
    """
    boxes = torch.full((count, places, 4), torch.nan)
    found, measured = torch.zeros(2, count, places, dtype=torch.bool)
    for track in sorted(tracks, key=lambda track: -int(track.measured.sum())):
        free = ~(measured & track.measured[:, None]).any(dim=0)
        if not free.any():
            continue
        k = int(free.nonzero()[0])
        taken = track.measured | (track.found & ~found[:, k])
        boxes[taken, k] = track.boxes[taken]
        found[:, k] |= track.found
        measured[:, k] |= track.measured
    used = max(1, int(measured.any(dim=0).sum()))
    return MouthTracks(boxes=boxes[:, :used], found=found[:, :used], measured=measured[:, :used])


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


def _check_count(faces: int) -> None:
    if not 1 <= faces <= MOST_FACES:
        raise JoVAError(f"{faces} faces are asked for; give a number from 1 to {MOST_FACES}.")


def _middle(row: np.ndarray) -> np.ndarray:
    return (row[:2] + row[2:4]) / 2
