import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from jova_core.errors import JoVAError
from jova_core.mouth import detect_lips, find_landmarker
from jova_core.mouth.landmarks import MODEL_VARIABLE, fill_gaps

SHARED = Path(os.environ.get("JOVA_SHARED", Path(__file__).parents[3] / "shared"))
MODEL = Path(os.environ.get(MODEL_VARIABLE, SHARED / "data/face_landmarker.task"))
needs_model = pytest.mark.skipif(not MODEL.is_file(), reason="no face_landmarker.task")
SIZE, ZOOM = 96, 4


def draw_face(opening, width=16.0, shift=0.0):
    """A plain drawn face uint8 [96, 96, 3] whose inner lips are `opening` px apart."""
    image = Image.new("RGB", (SIZE * ZOOM, SIZE * ZOOM), (120, 160, 220))
    pen = ImageDraw.Draw(image)

    def spot(x, y, rx, ry, colour):
        corners = (x + shift - rx, y - ry, x + shift + rx, y + ry)
        pen.ellipse([c * ZOOM for c in corners], fill=colour)

    spot(48, 40, 29, 32, (70, 40, 20))
    spot(48, 50, 24, 31, (235, 195, 165))
    for side in (-1, 1):
        spot(48 + side * 10, 44, 5, 3.2, (255, 255, 255))
        spot(48 + side * 10, 44, 2.4, 2.4, (60, 40, 30))
        spot(48 + side * 10, 38, 6, 1, (60, 35, 20))
    spot(48, 55, 2, 1.2, (190, 140, 110))
    spot(48, 66, width / 2 + 2, opening / 2 + 2.2, (190, 80, 80))
    spot(48, 66, width / 2 - 1, opening / 2, (70, 20, 25))
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX))


def drawn_clip(count):
    """Frames [F, H, W, 3], drawn opening [F] and drawn outer-lip boxes [F, 4]."""
    time = np.arange(count)
    opening = 4.5 + 4 * np.sin(time * 0.7)
    shift = 2 * np.sin(time * 0.1)
    frames = np.stack([draw_face(o, shift=s) for o, s in zip(opening, shift, strict=True)])
    boxes = np.stack(
        [48 + shift - 10, 63.8 - opening / 2, 48 + shift + 10, 68.2 + opening / 2], axis=1
    )
    return torch.from_numpy(frames), torch.from_numpy(opening), torch.from_numpy(boxes).float()


@needs_model
def test_lips_of_a_drawn_face_are_followed(box_iou):
    frames, opening, boxes = drawn_clip(17)
    track = detect_lips(frames, model_path=MODEL)
    assert track.measured.all()
    assert torch.corrcoef(torch.stack([track.opening.double(), opening]))[0, 1] > 0.9
    assert box_iou(track.boxes, boxes).mean() > 0.6
    assert torch.equal(track.boxes, detect_lips(frames, model_path=MODEL).boxes)


@needs_model
def test_every_fourth_frame_is_measured_and_the_rest_lies_between():
    frames, _, _ = drawn_clip(9)
    track = detect_lips(frames, model_path=MODEL, every=4)
    assert track.measured.nonzero().flatten().tolist() == [0, 4, 8]
    assert track.found.all()
    assert torch.allclose(track.boxes[2], (track.boxes[0] + track.boxes[4]) / 2)


@needs_model
def test_a_clip_without_a_face_is_reported_and_not_invented():
    track = detect_lips(torch.full((5, 96, 96, 3), 128, dtype=torch.uint8), model_path=MODEL)
    assert not track.found.any()
    assert track.opening.isnan().all()


def test_short_gaps_are_bridged_and_long_ones_stay_open():
    values = np.full((20, 1), np.nan)
    values[[1, 5, 16]] = [[1.0], [3.0], [9.0]]
    filled = fill_gaps(values, max_gap=8)[:, 0]
    assert filled[:6].tolist() == [1.0, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert np.isnan(filled[6:16]).all()
    assert filled[16:].tolist() == [9.0, 9.0, 9.0, 9.0]


@pytest.mark.parametrize("frames", [torch.zeros(3, 96, 96), torch.zeros(0, 9, 9, 3).byte()])
@needs_model
def test_frames_of_a_wrong_kind_get_a_sentence(frames):
    with pytest.raises(JoVAError, match="Lip detection needs"):
        detect_lips(frames, model_path=MODEL)


def test_the_model_file_is_asked_for_and_checked(tmp_path, monkeypatch):
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)
    with pytest.raises(JoVAError, match=MODEL_VARIABLE):
        find_landmarker()
    with pytest.raises(JoVAError, match="does not exist"):
        find_landmarker(tmp_path / "none.task")
    (tmp_path / "foreign.task").write_bytes(b"not a model")
    monkeypatch.setenv(MODEL_VARIABLE, str(tmp_path / "foreign.task"))
    with pytest.raises(JoVAError, match="sha256"):
        find_landmarker()


@needs_model
def test_a_missing_mediapipe_gets_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe.tasks", None)
    with pytest.raises(JoVAError, match="install the package mediapipe"):
        detect_lips(torch.zeros(1, 96, 96, 3, dtype=torch.uint8), model_path=MODEL)
