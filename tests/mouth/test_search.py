"""Small faces are looked for again, upside-down ones are said; a fake detector and MediaPipe."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from jova_core.mouth import detect_lips, detect_mouths
from jova_core.mouth.landmarks import MODEL_VARIABLE
from jova_core.mouth.search import is_upside_down, search_tiles, smallest_head, tile_levels

SHARED = Path(os.environ.get("JOVA_SHARED", Path(__file__).parents[3] / "shared"))
MODEL = Path(os.environ.get(MODEL_VARIABLE, SHARED / "data/face_landmarker.task"))
needs_model = pytest.mark.skipif(not MODEL.is_file(), reason="no face_landmarker.task")
LIPS = np.array([202.5, 139.5, 246.5, 155.5])  # of scikit-image's astronaut
CROP = (125, 10, 335, 220)


def bright(frame):
    """A detector that sees a white square of at least an eighth of the side as a face."""
    spots = (frame.amin(-1) > 200).nonzero()
    if not len(spots):
        return np.empty((0, 7))
    (y0, x0), (y1, x1) = spots.amin(0).tolist(), spots.amax(0).tolist()
    if x1 + 1 - x0 < min(frame.shape[:2]) / 8:
        return np.empty((0, 7))
    return np.array([[x0, y0, x1 + 1, y1 + 1, 1, 2, x1 + 1 - x0]], float)


@pytest.mark.parametrize("size", [(720, 1280), (1080, 608), (512, 512)])
def test_tiles_cover_every_pixel(size):
    for tiles in tile_levels(*size):
        seen = torch.zeros(size, dtype=torch.bool)
        for tile in tiles:
            seen[tile.y : tile.y + tile.side, tile.x : tile.x + tile.side] = True
        assert seen.all()
    assert tile_levels(96, 96) == []
    assert smallest_head(1080, 1920) < 40


def test_small_faces_are_found_where_they_are():
    frames = torch.zeros(9, 400, 700, 3, dtype=torch.uint8)
    for i in range(6):
        frames[i, 200:230, 400 + 5 * i : 430 + 5 * i] = 255
    found = search_tiles(bright, frames, range(9), 1)
    assert sorted(found) == [0, 1, 2, 3, 4, 5]
    assert found[4][0, :4].tolist() == [420, 200, 450, 230]


def test_frames_without_any_face_are_not_all_searched():
    looks = []

    def blind(frame):
        looks.append(frame)
        return np.empty((0, 7))

    assert search_tiles(blind, torch.zeros(99, 400, 400, 3, dtype=torch.uint8), range(99), 1) == {}
    assert len(looks) < 99 * 3


def photo():
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    return Image.fromarray(data.astronaut()).crop(CROP)


def scene(width, height, size, x, y, count=2):
    """uint8 [count, height, width, 3] with the photograph at (x, y), and the box of its lips."""
    picture = Image.new("RGB", (width, height), (90, 110, 120))
    picture.paste(photo().resize((size, size), Image.Resampling.LANCZOS), (x, y))
    box = (LIPS - [*CROP[:2], *CROP[:2]]) * size / 210 + [x, y, x, y]
    return torch.from_numpy(np.array(picture))[None].repeat(count, 1, 1, 1), box


@needs_model
@pytest.mark.parametrize(("width", "height", "size"), [(960, 540, 110), (384, 640, 80)])
def test_a_face_too_small_for_the_detector_is_found(width, height, size):
    frames, box = scene(width, height, size, width // 2, height // 2)
    track = detect_lips(frames, model_path=MODEL)
    assert track.measured.all()
    assert abs(track.boxes[0].numpy() - box).max() < 3
    assert track.note == ""


@needs_model
def test_no_face_says_how_small_it_looked():
    frames = torch.full((2, 200, 200, 3), 90, dtype=torch.uint8)
    summary = detect_mouths(frames, model_path=MODEL).summary()
    assert summary == "No face was found in 2 frames. Heads were looked for down to 14 pixels."


@needs_model
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_an_upside_down_face_is_said_and_not_measured(turn):
    frames, _ = scene(400, 400, 280, 60, 60, count=3)
    frames = torch.rot90(frames, turn, (1, 2)).contiguous()
    track = detect_lips(frames, model_path=MODEL)
    assert bool(track.measured.any()) == (turn != 2)
    assert ("upside down" in track.note) == (turn == 2)
    summary = detect_mouths(frames, model_path=MODEL).summary()
    assert ("upside down" in summary) == (turn == 2)


def test_a_detector_that_sees_nothing_turns_nothing_around():
    frames = torch.zeros(3, 64, 64, 3, dtype=torch.uint8)
    none = {i: np.empty((0, 7)) for i in range(3)}
    assert not is_upside_down(lambda _: np.empty((0, 7)), frames, none)
    assert not is_upside_down(bright, torch.full_like(frames, 255), {0: bright(frames[0] + 255)})
