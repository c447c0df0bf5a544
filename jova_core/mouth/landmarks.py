"""Lip landmarks of a clip by MediaPipe's Face Landmarker: boxes, opening and width per frame.

Legend: F frames, H and W pixels, S sampled frames, M measured values per frame.
"""

import hashlib
import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import JoVAError
from ..files import existing_file
from .search import is_upside_down, search_tiles, smallest_head

MODEL_VARIABLE = "JOVA_FACE_LANDMARKER"
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"

# Vertex numbers of MediaPipe's 478-point canonical face mesh.
OUTER_LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375),
    *(291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
)
INNER_TOP, INNER_BOTTOM = 13, 14
LEFT_CORNER, RIGHT_CORNER = 61, 291
LEFT_EYE, RIGHT_EYE = 33, 263
NEEDED = (*OUTER_LIPS, INNER_TOP, INNER_BOTTOM, LEFT_EYE, RIGHT_EYE)


@dataclass(frozen=True, kw_only=True)
class LipTrack:
    """The lips of the most prominent face, frame by frame; NaN where `found` is False."""

    boxes: Tensor  # float32 [F, 4], outer lips x0, y0, x1, y1 in pixels of the original frame
    opening: Tensor  # float32 [F], distance of the inner lips in pixels
    width: Tensor  # float32 [F], distance of the mouth corners in pixels
    face: Tensor  # float32 [F], distance of the outer eye corners in pixels: divide by it for size
    found: Tensor  # bool [F], the values are known: measured, or interpolated over a short gap
    measured: Tensor  # bool [F], the detector ran on this very frame and saw a face
    note: str = ""  # why nothing is measured, or how small a face was looked for


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Faces [K, 7] by the number of the frame that was looked at, and what there is to say."""

    rows: dict[int, np.ndarray]
    note: str = ""


def find_landmarker(path: str | Path | None = None) -> Path:
    """Checked path of face_landmarker.task: $JOVA_FACE_LANDMARKER, else `path`, else JoVAError."""
    chosen = os.environ.get(MODEL_VARIABLE) or path
    if not chosen:
        raise JoVAError(
            "No face landmark model is set: point the environment variable "
            f"{MODEL_VARIABLE} to MediaPipe's face_landmarker.task (sha256 {MODEL_SHA256[:12]}...)."
        )
    allowed = f"MediaPipe's face_landmarker.task in the environment variable {MODEL_VARIABLE}"
    file = existing_file(chosen, "face landmark model", allowed)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != MODEL_SHA256:
        raise JoVAError(
            f"{file} is not the expected face_landmarker.task: its sha256 is {digest[:12]}..., "
            f"needed is {MODEL_SHA256[:12]}...; set {MODEL_VARIABLE} to the right file."
        )
    return file


class LipDetector:
    """MediaPipe's Face Landmarker, loaded once; a context manager, for one thread at a time."""

    def __init__(
        self, model_path: str | Path | None = None, *, enlarge_to: int = 320, faces: int = 1
    ) -> None:
        """Load the model (see `find_landmarker`); frames grow to `enlarge_to` px for detection.

        At most `faces` of a frame are looked for.
        """
        self.enlarge_to, self.faces = enlarge_to, faces
        self._landmarker = _load(find_landmarker(model_path), faces)
        # MediaPipe's own clean-up at interpreter exit comes too late and fails noisily.
        self.close = weakref.finalize(self, self._landmarker.close)

    def __enter__(self) -> "LipDetector":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def detect(self, frames: Tensor, *, every: int = 1, max_gap: int = 8) -> LipTrack:
        """Lip track of uint8 frames [F, H, W, 3]; deterministic: each frame stands on its own.

        Only frames 0, every, 2 * every, ... and the last are looked at; the others are
        interpolated linearly. Gaps of up to `max_gap` frames without a face are bridged too;
        longer ones stay NaN with found False. JoVAError if the shape or type is another one.
        """
        check_frames(frames, every)
        count = frames.shape[0]
        looks = self.look(frames, sampled_frames(count, every))
        return track_first_face(looks, count, max_gap=max(max_gap, every - 1))

    def look(
        self,
        frames: Tensor,
        sampled: Sequence[int],
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Looks:
        """The faces of the frames `sampled` of uint8 [F, H, W, 3]; small ones where there are none.

        An upside-down face is said and not measured, because lips would be found in a wrong place.
        `progress(done, total)` follows each frame.
        """
        rows = {}
        for done, i in enumerate(sampled, 1):
            rows[i] = self.measure(frames[i])
            if progress:
                progress(done, len(sampled))
        if is_upside_down(self.measure, frames, rows):
            note = "The face is upside down, so its mouth is not measured; turn the pictures."
            return Looks(rows={i: rows[i][:0] for i in rows}, note=note)
        missing = [i for i in sampled if not len(rows[i])]
        rows |= search_tiles(self.measure, frames, missing, self.faces)
        if any(len(found) for found in rows.values()):
            return Looks(rows=rows)
        size = smallest_head(*frames.shape[1:3])
        return Looks(rows=rows, note=f"Heads were looked for down to {size} pixels.")

    def measure(self, frame: Tensor) -> np.ndarray:
        """Box (4), opening, width and eye distance in pixels of each face of a frame: [K, 7]."""
        return _measure(self._landmarker, frame, self.enlarge_to)

    def mesh(self, frame: Tensor) -> np.ndarray | None:
        """Every point `[478, 3]` of the first face of a frame [H, W, 3], in its pixels.

        Depths are in pixels too, by MediaPipe's own guess; None without a face.
        """
        faces = _faces(self._landmarker, frame, self.enlarge_to)
        height, width = frame.shape[:2]
        scale = np.array([width, height, width])
        return scale * np.array([(p.x, p.y, p.z) for p in faces[0]]) if faces else None


def detect_lips(
    frames: Tensor,
    *,
    model_path: str | Path | None = None,
    every: int = 1,
    enlarge_to: int = 320,
    max_gap: int = 8,
) -> LipTrack:
    """`LipDetector.detect` for a single clip: uint8 frames [F, H, W, 3] to a LipTrack."""
    with LipDetector(model_path, enlarge_to=enlarge_to) as detector:
        return detector.detect(frames, every=every, max_gap=max_gap)


def track_first_face(looks: Looks, count: int, *, max_gap: int = 8) -> LipTrack:
    """The lips of the first face of each frame that was looked at, out of `count` frames."""
    values = np.full((count, 7), np.nan)
    for i, rows in looks.rows.items():
        values[i] = next(iter(rows), np.nan)
    return lip_track(values, max_gap=max_gap, note=looks.note)


def lip_track(values: np.ndarray, *, max_gap: int, note: str = "") -> LipTrack:
    """Rows [F, 7] of one face, NaN where it was not seen, as a track with short gaps bridged."""
    data = torch.from_numpy(fill_gaps(values, max_gap=max_gap)).float()
    return LipTrack(
        boxes=data[:, :4],
        opening=data[:, 4],
        width=data[:, 5],
        face=data[:, 6],
        found=~torch.isnan(data[:, 0]),
        measured=torch.from_numpy(~np.isnan(values[:, 0])),
        note=note,
    )


def sampled_frames(count: int, every: int) -> list[int]:
    """The frames that are looked at: 0, every, 2 * every, … and the last of `count`."""
    return sorted({*range(0, count, every), count - 1})


def fill_gaps(values: np.ndarray, *, max_gap: int) -> np.ndarray:
    """Rows [F, M] with runs of up to `max_gap` NaN rows interpolated (held at the two ends)."""
    filled = values.copy()
    good = np.flatnonzero(~np.isnan(values[:, 0]))
    if good.size == 0:
        return filled
    edges = [-1, *good.tolist(), len(values)]
    for left, right in pairwise(edges):
        if not 0 < right - left - 1 <= max_gap:
            continue
        for row in range(left + 1, right):
            filled[row] = _between(values, left, right, row)
    return filled


def _between(values: np.ndarray, left: int, right: int, row: int) -> np.ndarray:
    if left < 0:
        return values[right]
    if right == len(values):
        return values[left]
    share = (row - left) / (right - left)
    return (1 - share) * values[left] + share * values[right]


def check_frames(frames: Tensor, every: int) -> None:
    """JoVAError unless uint8 [F, H, W, 3] with a frame, and `every` at least 1."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != torch.uint8:
        raise JoVAError(
            f"Lip detection needs uint8 frames of shape [F, H, W, 3]; {frames.dtype} of shape "
            f"{list(frames.shape)} came."
        )
    if frames.shape[0] == 0:
        raise JoVAError("Lip detection needs at least one frame; the clip has none.")
    if every < 1:
        raise JoVAError(f"every must be at least 1 frame; {every} came.")


def _load(model: Path, faces: int) -> Any:
    # A level of native log lines that the user has set stays.
    os.environ.setdefault("GLOG_minloglevel", "2")
    with _native_stderr_closed():
        tasks, vision = _mediapipe()
        options = vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(
                model_asset_buffer=model.read_bytes(), delegate=tasks.BaseOptions.Delegate.CPU
            ),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=faces,
        )
        landmarker = vision.FaceLandmarker.create_from_options(options)
        _measure(landmarker, torch.zeros(64, 64, 3, dtype=torch.uint8), 64)
    return landmarker


def _mediapipe() -> tuple[Any, Any]:
    try:
        from mediapipe.tasks import python as tasks
        from mediapipe.tasks.python import vision
    except (ImportError, OSError) as error:
        raise JoVAError(
            f"Faces cannot be looked for, because mediapipe does not load ({error}); "
            "install the package mediapipe (1.0 or newer)."
        ) from error
    return tasks, vision


@contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """File descriptor 2 goes nowhere meanwhile: MediaPipe writes start-up lines past any level."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _measure(landmarker: Any, frame: Tensor, enlarge_to: int) -> np.ndarray:
    """Box (4), opening, width and eye distance of each face of a frame [H, W, 3], in its pixels."""
    height, width = frame.shape[:2]
    faces = _faces(landmarker, frame, enlarge_to)
    return np.array([lip_values(_pixels(face, width, height)) for face in faces]).reshape(-1, 7)


def _faces(landmarker: Any, frame: Tensor, enlarge_to: int) -> Sequence[Any]:
    """MediaPipe's faces of a frame [H, W, 3]: points with x, y and z as shares of its size."""
    import mediapipe as mp

    image = mp.Image(image_format=mp.ImageFormat.SRGB, data=_enlarged(frame, enlarge_to))
    return landmarker.detect(image).face_landmarks


def lip_values(points: Mapping[int, np.ndarray] | np.ndarray) -> np.ndarray:
    """Box (4), opening, width and eye distance [7] of one face, from its mesh points in pixels.

    `points` holds x and y by vertex number of MediaPipe's mesh; those of NEEDED suffice.
    """
    outer = np.stack([points[i] for i in OUTER_LIPS])
    spans = (
        points[INNER_TOP] - points[INNER_BOTTOM],
        points[LEFT_CORNER] - points[RIGHT_CORNER],
        points[LEFT_EYE] - points[RIGHT_EYE],
    )
    return np.concatenate([outer.min(0), outer.max(0), np.linalg.norm(np.stack(spans), axis=1)])


def _pixels(face: Any, width: int, height: int) -> dict[int, np.ndarray]:
    return {i: np.array([face[i].x * width, face[i].y * height]) for i in NEEDED}


def _enlarged(frame: Tensor, enlarge_to: int) -> np.ndarray:
    from PIL import Image

    pixels = np.ascontiguousarray(frame.cpu().numpy())
    height, width = pixels.shape[:2]
    factor = enlarge_to / min(height, width)
    if factor <= 1:
        return pixels
    size = (round(width * factor), round(height * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
