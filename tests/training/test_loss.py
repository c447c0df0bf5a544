"""The losses and their gradients against numbers computed by hand."""

import pytest
import torch

from jova_core.latents import AVLatents
from jova_core.training.loss import flow_losses, mouth_loss
from jova_core.training.settings import TrainSettings

# One clip of one latent frame: four cells, two channels; the mouth is the last cell.
PREDICTED = torch.tensor([[[[[1.0, 2.0], [3.0, 4.0]]], [[[0.0, 1.0], [0.0, 2.0]]]]])
MOUTH = torch.tensor([[[[[0.0, 0.0], [0.0, 1.0]]]]])
SOUND = torch.tensor([[[1.0, 3.0]]])


def losses(form, *, made=1.0, audio_made=1.0):
    video = PREDICTED.clone().requires_grad_()
    audio = SOUND.clone().requires_grad_()
    none = AVLatents(video=torch.zeros_like(video), audio=torch.zeros_like(audio))
    given = (torch.full((1, 1, 1, 1, 1), made), torch.full((1, 1, 1), audio_made))
    terms = flow_losses(
        AVLatents(video=video, audio=audio), none, given, MOUTH, mouth_weight=5.0, mouth_form=form
    )
    return terms, video, audio


@pytest.mark.parametrize(
    ("form", "value"),
    # e² sums to 1+4+9+16 + 0+1+0+4 = 35 over 8 elements, 16+4 = 20 over 2 of them in the mouth.
    [("weighted", (35 + 5 * 20) / 8), ("area", 35 / 8 + 5 * 20 / 2)],
)
def test_the_mouth_weighs_more(form, value):
    terms, _, _ = losses(form)
    assert float(terms.video.detach()) == pytest.approx(value)
    assert float(terms.video_plain.detach()) == pytest.approx(35 / 8)
    assert float(terms.mouth.detach()) == pytest.approx(10)
    assert float(terms.audio.detach()) == pytest.approx(5)


@pytest.mark.parametrize(
    ("form", "factor"),
    # d/dx of x² is 2x, over 8 elements; in the mouth 6 times that, or once more 5 over 2.
    [("weighted", (2 / 8, 12 / 8)), ("area", (2 / 8, 2 / 8 + 5 * 2 / 2))],
)
def test_gradients_are_those_computed_by_hand(form, factor):
    terms, video, audio = losses(form)
    terms.weighed(TrainSettings(video_weight=0.5, audio_weight=2.0)).mean().backward()
    outside, inside = factor
    expected = PREDICTED * torch.where(MOUTH > 0, inside, outside) * 0.5
    torch.testing.assert_close(video.grad, expected)
    torch.testing.assert_close(audio.grad, SOUND * 2 / 2 * 2.0)


def test_what_is_given_costs_nothing():
    terms, video, audio = losses("weighted", made=0.0, audio_made=0.0)
    terms.weighed(TrainSettings()).mean().backward()
    assert float(terms.video.detach()) == float(terms.audio.detach()) == 0
    assert not video.grad.any()
    assert not audio.grad.any()


def test_a_clip_without_a_mouth_has_no_mouth_loss():
    squared = torch.ones(1, 2, 1, 2, 2)
    for form in ("weighted", "area"):
        assert float(mouth_loss(squared, torch.zeros(1, 1, 1, 2, 2), 5.0, form)) == 1
