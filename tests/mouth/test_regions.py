"""The mouth area as boxes, masks and a picture, from known boxes."""

import numpy as np
import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mouth import MouthTracks, draw_boxes, mouth_regions, track_mouths
from jova_core.mouth.faces import place
from jova_core.mouth.landmarks import NEEDED, OUTER_LIPS, Looks, lip_track, lip_values

BOX = torch.tensor([32.0, 64.0, 48.0, 72.0])


def tracks(frames):
    boxes = torch.stack([BOX, BOX - torch.tensor([30.0, 60, 30, 60])]).expand(frames, 2, 4).clone()
    found = torch.ones(frames, 2, dtype=torch.bool)
    found[-1, 1] = False
    return MouthTracks(boxes=boxes, found=found, measured=found)


def test_pixels_latents_and_picture_show_each_mouth():
    regions = mouth_regions(tracks(5), height=96, width=96, pad=0.0)
    assert regions.boxes[0].tolist() == [[32, 64, 48, 72], [2, 4, 18, 12]]
    assert regions.pixels.sum(dim=(1, 2)).tolist() == [2 * 16 * 8] * 4 + [16 * 8]
    assert regions.pixels[0, 64:72, 32:48].all()
    assert regions.latents.shape == (2, 12, 12)
    assert regions.latents[0, 8].nonzero().flatten().tolist() == [4, 5]
    assert regions.left_out == 0
    drawn = draw_boxes(torch.zeros(5, 96, 96, 3, dtype=torch.uint8), regions)
    assert drawn[0, 64, 40].any()
    assert not drawn[0, 66, 40].any()
    assert drawn[0, 4, 10].tolist() not in ([0, 0, 0], drawn[0, 64, 40].tolist())
    assert not drawn[4, 4, 10].any()


def test_frames_that_fill_no_latent_are_left_out_and_counted():
    regions = mouth_regions(tracks(8), height=96, width=96)
    assert regions.latents.shape == (2, 12, 12)
    assert (len(regions.pixels), regions.left_out) == (8, 3)


def test_boxes_are_cut_at_the_edge_and_small_pictures_named():
    one = tracks(1)
    regions = mouth_regions(one, height=70, width=40, pad=0.25)
    assert regions.boxes[0, 0].tolist() == [28, 62, 40, 70]
    with pytest.raises(JoVAError, match="smaller than a latent"):
        mouth_regions(one, height=4, width=40)


def test_who_comes_after_a_cut_takes_the_place():
    rows = np.full((2, 10, 7), np.nan)
    rows[0, :5], rows[1, 5:] = 10.0, 60.0
    shared = place([lip_track(r, max_gap=2) for r in rows], 10, 1)
    assert shared.found.all()
    assert shared.boxes[[0, 4, 5, 9], 0, 0].tolist() == [10, 10, 60, 60]
    rows[1] = 60.0
    both = [lip_track(r, max_gap=2) for r in rows]
    assert place(both, 10, 1).boxes[0, 0, 0] == 60
    assert place(both, 10, 2).boxes.shape == (10, 2, 4)


def mesh(left):
    """Points of a face whose outer lips span 16 x 8 px from (left, 64), its eyes 24 px apart."""
    points = np.zeros((478, 2))
    points[list(NEEDED)] = [left + 8, 68]
    points[list(OUTER_LIPS[:4])] = [[left, 68], [left + 16, 68], [left + 8, 64], [left + 8, 72]]
    points[13], points[14], points[291], points[263] = (
        *([left + 8, y] for y in (66, 69)),
        *([left + x, 68] for x in (16, 32)),
    )
    return points


def test_points_of_another_detector_give_the_same_boxes():
    row = lip_values(mesh(32))
    assert row.tolist() == [32, 64, 48, 72, 3, 16, 24]
    rows = {0: row[None], 1: np.zeros((0, 7)), 2: np.stack([lip_values(mesh(90)), row])}
    tracks = track_mouths(Looks(rows=rows), 3, faces=2)
    assert tracks.measured.tolist() == [[True, False], [False, False], [True, True]]
    assert tracks.found[:, 0].all()
    assert torch.equal(tracks.boxes[:, 0], BOX.expand(3, 4))
