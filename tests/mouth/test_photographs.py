"""Mouths of a real photograph, moved and stretched so that the true box is known in every frame."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from jova_core.errors import JoVAError
from jova_core.mouth import detect_lips, detect_mouths, latent_mask
from jova_core.mouth.faces import follow
from jova_core.mouth.landmarks import MODEL_VARIABLE

skimage_data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
SHARED = Path(os.environ.get("JOVA_SHARED", Path(__file__).parents[3] / "shared"))
MODEL = Path(os.environ.get(MODEL_VARIABLE, SHARED / "data/face_landmarker.task"))
needs_model = pytest.mark.skipif(not MODEL.is_file(), reason="no face_landmarker.task")

# Outer lips of scikit-image's astronaut (NASA, public domain), read off the enlarged photograph.
LIPS = np.array([202.5, 139.5, 246.5, 155.5])
CROP = (125, 10, 335, 220)
FRAMES = 17


def film(size, frames=FRAMES):
    """uint8 [F, size, size, 3] of the moving face, and the true box of its lips [F, 4]."""
    photo = Image.fromarray(skimage_data.astronaut())
    side = CROP[2] - CROP[0]
    pictures, boxes = [], []
    for f in range(frames):
        t = f / 16
        # Across by 5 %, nearer and farther by 6 %, and the face longer by up to 12 %.
        x = CROP[0] + 0.05 * side * math.sin(2.1 * t)
        y = CROP[1] + 0.04 * side * math.sin(3.3 * t)
        wide = side * (1 + 0.06 * math.sin(1.7 * t))
        high = wide / (1.06 + 0.06 * math.sin(9 * t))
        area = (x, y, x + wide, y + high)
        pictures.append(np.asarray(photo.resize((size, size), Image.Resampling.BICUBIC, box=area)))
        scale = np.array([size / wide, size / high] * 2)
        boxes.append((LIPS - [x, y, x, y]) * scale)
    return torch.from_numpy(np.stack(pictures)), torch.tensor(np.array(boxes)).float()


def cells_of(boxes, size):
    """Latents that the true box touches, and pixels inside it, by latent [T, ...]."""
    own = latent_mask(
        boxes, torch.ones(len(boxes), dtype=torch.bool), height=size, width=size, pad=0
    )
    grid = torch.arange(size) + 0.5
    across = (grid > boxes[:, None, 0]) & (grid < boxes[:, None, 2])
    down = (grid > boxes[:, None, 1]) & (grid < boxes[:, None, 3])
    return own, down[:, :, None] & across[:, None, :]


@needs_model
@pytest.mark.parametrize("size", [64, 128, 512])
def test_the_lips_of_a_photograph_are_found_and_the_mask_holds_them(size, box_iou):
    frames, boxes = film(size)
    track = detect_lips(frames, model_path=MODEL)
    assert track.measured.all()
    assert box_iou(track.boxes, boxes).mean() >= 0.7
    mask = latent_mask(track.boxes, track.found, height=size, width=size)
    own, inside = cells_of(boxes, size)
    covered = mask.repeat_interleave(8, 1).repeat_interleave(8, 2).bool()
    of_frame = torch.tensor([0, *(1 + i // 4 for i in range(FRAMES - 1))])
    recall = (covered[of_frame] & inside).sum() / inside.sum()
    assert recall >= 0.98
    assert mask.sum() <= 3 * own.sum()


@needs_model
def test_two_faces_keep_their_places(box_iou):
    frames, boxes = film(192)
    pair = torch.cat([frames, frames.flip(0)], dim=2)
    tracks = detect_mouths(pair, faces=2, model_path=MODEL)
    assert tracks.boxes.shape == (FRAMES, 2, 4)
    assert tracks.found.all()
    right = boxes.flip(0) + torch.tensor([192.0, 0, 192, 0])
    order = [0, 1] if tracks.boxes[0, 0, 0] < 192 else [1, 0]
    assert box_iou(tracks.boxes[:, order[0]], boxes).mean() >= 0.7
    assert box_iou(tracks.boxes[:, order[1]], right).mean() >= 0.7
    assert "face 2: measured in 17 of 17 frames" in tracks.summary()
    one = detect_mouths(pair, faces=1, model_path=MODEL)
    assert one.boxes.shape == (FRAMES, 1, 4)


@needs_model
def test_gaps_are_bridged_and_reported_and_no_face_is_said():
    frames, _ = film(128)
    frames[6:9] = 90
    tracks = detect_mouths(frames, model_path=MODEL)
    assert tracks.found.all()
    assert "measured in 14 of 17 frames, interpolated in 3, missing in 0" in tracks.summary()
    none = detect_mouths(torch.full_like(frames, 90), faces=3, model_path=MODEL)
    assert not none.found.any()
    words = "No face was found in 17 frames. Heads were looked for down to 18 pixels."
    assert none.summary() == words


def test_a_face_that_jumps_is_another_one():
    def face(x):
        return np.array([x, 50.0, x + 20, 60.0, 4, 20, 40])

    seen = {0: np.stack([face(10), face(150)]), 1: np.stack([face(152), face(12)])}
    seen[2] = np.stack([face(300)])
    slots = follow(seen, 3)
    assert [np.flatnonzero(~np.isnan(rows[:, 0])).tolist() for rows in slots] == [
        [0, 1],
        [0, 1],
        [2],
    ]
    assert [rows[1][0] for rows in slots[:2]] == [12, 152]


def test_a_wrong_number_of_faces_gets_a_sentence():
    with pytest.raises(JoVAError, match="from 1 to 8"):
        detect_mouths(torch.zeros(1, 8, 8, 3, dtype=torch.uint8), faces=9)
