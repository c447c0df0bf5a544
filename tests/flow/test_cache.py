"""Steps that repeat a velocity: how many, which, and what that does to the path."""

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.flow.cache import StepCache, relative_change
from jova_core.flow.schedule import simple_sigmas
from jova_core.flow.solvers import euler
from jova_core.latents import AVLatents
from jova_core.pipeline import SampleSettings


def latents(video, audio):
    return AVLatents(video=torch.full((1, 1, 1, 1, 1), video), audio=torch.full((1, 1, 1), audio))


def follow(velocity, change, steps=30):
    cache = StepCache(velocity, change)
    end = euler(cache, latents(1.0, 1.0), simple_sigmas(steps, shift=1.0))
    return end, cache.computed


def curved(_, sigma):
    return latents(1.0 + sigma**2, 2.0)


def test_without_allowed_change_every_step_is_computed():
    end, computed = follow(curved, 0.0)
    assert computed == 30
    assert torch.equal(end.video, euler(curved, latents(1.0, 1.0), simple_sigmas(30, 1.0)).video)


def test_a_straight_path_needs_two_velocities():
    end, computed = follow(lambda *_: latents(1.0, -1.0), 0.05)
    assert computed == 2
    torch.testing.assert_close(end.video, latents(0.0, 0.0).video, atol=1e-6, rtol=0)


def test_more_change_fewer_velocities_and_a_bounded_error():
    exact, _ = follow(curved, 0.0)
    counts = []
    for change in (0.05, 0.1, 0.2):
        end, computed = follow(curved, change)
        counts.append(computed)
        # Each velocity is off by at most its allowed share, over a path of length 1.
        assert float((end.video - exact.video).abs()) < 2 * change
    assert 30 > counts[0] > counts[1] > counts[2] > 3


def test_the_stream_that_moves_more_decides():
    still = follow(lambda _, s: latents(1.0 + s**2, 2.0), 0.1)[1]
    both = follow(lambda _, s: latents(1.0 + s**2, 1.0 + 4 * s**2), 0.1)[1]
    assert both > still
    assert relative_change(latents(1.0, 1.0), latents(1.0, 2.0)) == pytest.approx(0.5)
    assert relative_change(latents(1.0, 1.0), AVLatents(video=latents(1.0, 0.0).video)) == 0
    assert relative_change(latents(1.0, 1.0), latents(1.0, 0.0)) == 0, "a kept voice stands still"


@pytest.mark.parametrize("cache", [-0.1, 1.0, float("nan")])
def test_refused(cache):
    with pytest.raises(JoVAError, match="give a change from 0"):
        SampleSettings(cache=cache)
