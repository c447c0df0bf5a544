import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from jova_core.mini.data import character, visemes, vocabulary

SHARED = Path(os.environ.get("JOVA_SHARED", Path(__file__).parents[4] / "shared"))


def look(seed=0, **changes):
    base = {"skin": "light", "hair": "brown", "shirt": "red", "background": "blue", **changes}
    return character.draw_character(np.random.default_rng(seed), **base)


def state(shape=visemes.CLOSED, **changes):
    still = dict.fromkeys(("shift_x", "shift_y", "tilt", "blink", "brow", "gaze"), 0.0)
    return character.FrameState(**{**still, **dataclasses.asdict(shape), **changes})


def inside(picture):
    x0, y0, x1, y1 = (round(value) for value in picture.mouth_box)
    return picture.pixels[y0:y1, x0:x1].astype(int)


def test_picture_has_the_agreed_form_and_is_repeatable():
    picture = character.render(look(), state())
    assert picture.pixels.shape == (96, 96, 3)
    assert picture.pixels.dtype == np.uint8
    again = character.render(look(), state())
    assert np.array_equal(picture.pixels, again.pixels)


@pytest.mark.parametrize("background", vocabulary.BACKGROUNDS)
def test_corner_shows_the_background_and_no_other_one(background):
    picture = character.render(look(background=background), state())
    corner = picture.pixels[4:12, 4:12].reshape(-1, 3).mean(axis=0)
    distance = {
        name: np.abs(corner - colour).sum() for name, colour in character.BACKGROUND_COLOURS.items()
    }
    assert min(distance, key=distance.get) == background


@pytest.mark.parametrize("skin", vocabulary.SKINS)
def test_cheek_shows_the_skin_and_no_other_one(skin):
    made = dataclasses.replace(look(skin=skin), centre_x=48, centre_y=47, scale=1.0)
    cheek = character.render(made, state()).pixels[54:57, 55:58].reshape(-1, 3).mean(axis=0)
    distance = {
        name: np.abs(cheek - colour).sum() for name, colour in character.SKIN_COLOURS.items()
    }
    assert min(distance, key=distance.get) == skin


def test_lips_report_what_is_drawn():
    made = dataclasses.replace(look(), scale=1.0)
    closed = character.render(made, state())
    wide_open = character.render(made, state(visemes.OPEN))
    pucker = character.render(made, state(visemes.ROUND))
    assert closed.lips[0] == 0
    assert wide_open.lips[0] == pytest.approx(14)
    assert pucker.lips[1] < 0.7 * closed.lips[1]
    x0, y0, x1, y1 = wide_open.mouth_box
    assert 24 <= x1 - x0 <= 34
    assert 16 <= y1 - y0 <= 24
    assert 60 < (y0 + y1) / 2 < 75


def test_mouth_box_moves_with_the_head():
    made = look()
    still = np.array(character.render(made, state()).mouth_box)
    moved = np.array(character.render(made, state(shift_x=2.0, shift_y=-1.0)).mouth_box)
    assert np.allclose(moved - still, (2, -1, 2, -1))


def test_teeth_tongue_and_dark_show_where_the_shape_says():
    made = look(skin="dark")
    wide = inside(character.render(made, state(visemes.WIDE)))
    rounded = inside(character.render(made, state(visemes.ROUND)))
    closed = inside(character.render(made, state()))
    bright = [int((part.min(axis=2) > 190).sum()) for part in (wide, rounded, closed)]
    assert bright[0] > 20
    assert bright[1] == bright[2] == 0
    assert (rounded.max(axis=2) < 90).sum() > 10


def test_blink_hides_the_eyes():
    made = dataclasses.replace(look(skin="dark"), centre_x=48, centre_y=47, scale=1.0)
    eyes = [
        character.render(made, state(blink=blink)).pixels[38:50, 30:66].min(axis=2)
        for blink in (0.0, 1.0)
    ]
    assert (eyes[0] > 200).sum() > 20
    assert (eyes[1] > 200).sum() == 0


def test_mediapipe_finds_every_face_and_measures_the_drawn_opening():
    model = SHARED / "data" / "face_landmarker.task"
    if not model.is_file():
        pytest.skip(f"{model} is not here")
    mediapipe = pytest.importorskip("mediapipe")
    from PIL import Image

    tasks = mediapipe.tasks
    options = tasks.vision.FaceLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_path=str(model))
    )
    drawn, measured = [], []
    shapes = (visemes.CLOSED, visemes.OPEN, visemes.HALF, visemes.ROUND, visemes.BITE)
    with tasks.vision.FaceLandmarker.create_from_options(options) as detector:
        for number in range(10):
            rng = np.random.default_rng(number)
            names = {
                "skin": rng.choice(vocabulary.SKINS),
                "hair": rng.choice(vocabulary.HAIRS),
                "shirt": rng.choice(vocabulary.SHIRTS),
                "background": rng.choice(vocabulary.BACKGROUNDS),
            }
            made = character.draw_character(rng, **names)
            picture = character.render(made, state(shapes[number % len(shapes)]))
            large = Image.fromarray(picture.pixels).resize((288, 288))
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.array(large))
            faces = detector.detect(image).face_landmarks
            assert faces, f"no face in {made}"
            drawn.append(picture.lips[0])
            # Landmarks 13 and 14 are the middles of the inner lips.
            measured.append(96 * (faces[0][14].y - faces[0][13].y))
    assert np.corrcoef(drawn, measured)[0, 1] > 0.9
