import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mouth import latent_mask
from jova_core.mouth.masks import pad_boxes, smooth_boxes

BOX = torch.tensor([32.0, 64.0, 48.0, 72.0])


def still(frames):
    return BOX.expand(frames, 4).clone(), torch.ones(frames, dtype=torch.bool)


def test_a_box_on_cell_edges_covers_exactly_its_cells():
    mask = latent_mask(*still(5), height=96, width=96, pad=0.0)
    assert mask.shape == (2, 12, 12)
    assert mask[0].nonzero().tolist() == [[8, 4], [8, 5]]
    assert torch.equal(mask[0], mask[1])


def test_padding_takes_every_touched_cell():
    mask = latent_mask(*still(1), height=96, width=96, pad=0.25)
    assert mask[0].nonzero()[:, 0].unique().tolist() == [7, 8, 9]
    assert mask[0].nonzero()[:, 1].unique().tolist() == [3, 4, 5, 6]


def test_a_latent_is_the_union_of_its_frames():
    boxes, found = still(9)
    boxes[5:] += 24
    mask = latent_mask(boxes, found, height=96, width=96, pad=0.0)
    assert mask[0, 8, 4] == 1
    assert mask[0, 11, 7] == 0
    assert mask[2, 11, 7] == 1
    assert mask[2, 8, 4] == 0


def test_unknown_frames_add_nothing_and_do_not_pull_their_neighbours():
    boxes, found = still(5)
    boxes[0], found[0] = float("nan"), False
    mask = latent_mask(boxes, found, height=96, width=96, pad=0.0)
    assert mask[0].sum() == 0
    assert mask[1].sum() == 2


def test_several_faces_and_frames_of_another_shape():
    boxes, found = still(5)
    two = torch.stack([boxes, boxes - 32], dim=1)
    mask = latent_mask(two, torch.stack([found, found], 1), height=96, width=48, pad=0.0)
    assert mask.shape == (2, 12, 6)
    assert mask[0].nonzero().tolist() == [[4, 0], [4, 1], [8, 4], [8, 5]]


def test_smoothing_keeps_straight_motion_and_halves_a_single_jump():
    boxes = torch.arange(5.0)[:, None, None].expand(5, 1, 4)
    found = torch.ones(5, 1, dtype=torch.bool)
    assert torch.allclose(smooth_boxes(boxes, found)[1:-1], boxes[1:-1])
    jump = torch.zeros(5, 1, 4)
    jump[2] = 4
    assert smooth_boxes(jump, found)[:, 0, 0].tolist() == [0, 1, 2, 1, 0]


def test_padding_grows_a_box_on_each_side():
    assert pad_boxes(BOX, 0.25).tolist() == [28, 62, 52, 74]


@pytest.mark.parametrize("frames", [2, 4, 32])
def test_frames_that_fill_no_latents_get_a_sentence(frames):
    with pytest.raises(JoVAError, match="whole latents"):
        latent_mask(*still(frames), height=96, width=96)
