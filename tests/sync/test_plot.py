import math

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.sync.correlation import best_offset
from jova_core.sync.plot import BEST, LIPS, VOICE, VOICE_AREA, plot_sync, shift_curve


def tracks(late=0, length=49):
    noise = torch.randn(length + 20, generator=torch.Generator().manual_seed(3))
    smooth = noise.unfold(0, 5, 1).mean(dim=1)
    return smooth[8 : 8 + length], smooth[8 - late : 8 - late + length]


def shows(picture, colour):
    """Whether any pixel has (nearly) this colour, and the columns where."""
    near = (picture.int() - torch.tensor(colour)).abs().sum(-1) < 12
    return near.any(0).nonzero().flatten()


def upper(picture):
    """The panel of both tracks, without legend and frame."""
    return picture[40:220, 60:740]


@pytest.mark.parametrize("late", [-3, 0, 2])
def test_the_curve_agrees_with_the_best_offset(late):
    lips, envelope = tracks(late)
    curve = shift_curve(lips, envelope, 8)
    best, value = best_offset(lips, envelope, 8)
    assert curve.shape == (17,)
    assert int(curve.argmax()) - 8 == best == late
    assert float(curve.max()) == pytest.approx(value)


def test_both_tracks_and_the_best_shift_are_drawn():
    lips, envelope = tracks(2)
    picture = plot_sync(lips, envelope, fps=16, offset_frames=2)
    assert picture.dtype == torch.uint8
    assert picture.shape == (480, 768, 3)
    for colour in (LIPS, VOICE, VOICE_AREA):
        columns = shows(upper(picture), colour)
        assert columns[-1] - columns[0] > 600
    marked = shows(picture[300:425, 60:740], BEST).double().mean()
    # The panel shows half a second to either side and half a frame more.
    assert float(marked) == pytest.approx(680 * (0.5 + 125 / 1062.5), abs=8)
    unmarked = plot_sync(lips, envelope, fps=16, offset_frames=None)
    assert not len(shows(unmarked, BEST))


def test_frames_without_a_face_leave_a_gap():
    lips, envelope = tracks()
    lips = lips.clone()
    lips[20:30] = math.nan
    columns = shows(upper(plot_sync(lips, envelope, fps=16, offset_frames=0)), LIPS)
    width = 680 / 49
    inside = (columns > 21 * width) & (columns < 29 * width)
    assert len(columns) > 400
    assert not inside.any()


@pytest.mark.parametrize(
    ("lips", "envelope"),
    [
        (torch.full((33,), math.nan), torch.zeros(33)),
        (torch.full((33,), 2.0), torch.rand(33)),
        (torch.rand(33), torch.full((33,), math.inf)),
        (torch.rand(1), torch.rand(1)),
        (torch.rand(2), torch.rand(2)),
    ],
)
@pytest.mark.parametrize("offset", [None, 0])
def test_constant_unknown_and_tiny_tracks_are_drawn_too(lips, envelope, offset):
    picture = plot_sync(lips, envelope, fps=16, offset_frames=offset)
    assert picture.shape == (480, 768, 3)
    assert not len(shows(picture, BEST))


@pytest.mark.parametrize(("fps", "length"), [(1, 5), (23.976, 2000), (1000, 40)])
def test_any_rate_and_length_gets_an_axis(fps, length):
    lips, envelope = tracks(length=length)
    assert plot_sync(lips, envelope, fps=fps, offset_frames=0).shape == (480, 768, 3)


def test_tracks_that_do_not_belong_together_get_a_sentence():
    for lips, envelope in [(torch.zeros(3), torch.zeros(4)), (torch.zeros(0), torch.zeros(0))]:
        with pytest.raises(JoVAError, match="same length"):
            plot_sync(lips, envelope, fps=16, offset_frames=None)
