"""Schedules, solvers and guidance, each against what mathematics says."""

import math

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.flow.guidance import classifier_free
from jova_core.flow.schedule import simple_sigmas
from jova_core.flow.solvers import SOLVERS, ab2, euler, heun
from jova_core.latents import AVLatents


def _draw(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _latents(seed):
    return AVLatents(video=_draw(seed, 2, 4, 3, 5, 6), audio=_draw(seed + 100, 2, 5, 7))


@pytest.mark.parametrize("shift", [1.0, 3.0, 5.0])
def test_simple_sigmas_are_picked_from_the_thousand_entry_table(shift):
    """Walks the table down from its top in strides of 1000/steps, fractions dropped."""
    table = [shift * (t / 1000) / (1 + (shift - 1) * t / 1000) for t in range(1, 1001)]
    for steps in (*range(1, 61), 76, 122, 186, 244, 999, 1000):
        stride, expected = len(table) / steps, []
        for i in range(steps):
            expected.append(table[999 - int(i * stride)])
        error = (simple_sigmas(steps, shift) - torch.tensor([*expected, 0.0])).abs().max()
        assert error < 2e-7, steps


def test_simple_sigmas_descend_from_one_to_zero():
    sigmas = simple_sigmas(30, 3.0)
    assert sigmas.dtype == torch.float32
    assert (sigmas.diff() < 0).all()
    assert sigmas[[0, -1]].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_steps_are_refused(steps):
    with pytest.raises(JoVAError, match="expected 1 to 1000"):
        simple_sigmas(steps, 3.0)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("steps", [1, 7])
def test_a_constant_velocity_is_solved_exactly(name, steps):
    x0, noise = _latents(0), _latents(1)
    velocity = noise.add_scaled(x0, -1.0)
    out = SOLVERS[name](lambda *_: velocity, noise, simple_sigmas(steps, 3.0).double())
    torch.testing.assert_close(out.video, x0.video, atol=1e-6, rtol=0)
    torch.testing.assert_close(out.audio, x0.audio, atol=1e-6, rtol=0)


def _error(solver, steps):
    """Error on dx/dσ = x·cos σ from σ = 1 to ½, whose solution is exp(sin ½ − sin 1)."""
    start = AVLatents(audio=torch.ones(1, 1, 1, dtype=torch.float64))
    sigmas = torch.linspace(1.0, 0.5, steps + 1, dtype=torch.float64)
    end = solver(lambda x, sigma: x.map(lambda a: a * math.cos(sigma)), start, sigmas)
    return abs(end.audio.item() - math.exp(math.sin(0.5) - math.sin(1.0)))


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2), (ab2, 2)])
def test_order_of_convergence(solver, order):
    ratio = _error(solver, 40) / _error(solver, 80)
    assert ratio == pytest.approx(2**order, rel=0.1)


def test_uneven_steps_keep_the_second_order():
    """A velocity that is linear in σ is integrated exactly after the first, Euler's step."""
    start = AVLatents(audio=torch.zeros(1, 1, 1, dtype=torch.float64))
    sigmas = torch.tensor([1.0, 0.9, 0.4, 0.0], dtype=torch.float64)
    end = ab2(lambda x, sigma: x.map(lambda a: torch.full_like(a, sigma)), start, sigmas)
    euler_first = 1.0 * (0.9 - 1.0)
    assert end.audio.item() == pytest.approx(euler_first - 0.9**2 / 2)


@pytest.mark.parametrize(("solver", "calls"), [(euler, 5), (heun, 9), (ab2, 5)])
def test_number_of_velocities_and_of_callbacks(solver, calls):
    """Heun's last step, down to 0, takes a single velocity."""
    seen, steps = [], []

    def velocity(x, sigma):
        seen.append(sigma)
        return x

    solver(velocity, _latents(0), simple_sigmas(5, 3.0), lambda *seen: steps.append(seen[0]))
    assert len(seen) == calls
    assert 0.0 not in seen
    assert steps == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("solver", SOLVERS.values())
def test_callback_sees_the_state_and_its_estimate_of_the_data(solver):
    x0, noise = _latents(0), _latents(1)
    velocity, seen = noise.add_scaled(x0, -1.0), []
    solver(
        lambda *_: velocity,
        noise,
        simple_sigmas(4, 3.0).double(),
        lambda *arguments: seen.append(arguments[1:]),
    )
    assert torch.equal(seen[0][0].video, noise.video)
    for _, estimate in seen:
        torch.testing.assert_close(estimate.video, x0.video, atol=1e-6, rtol=0)


@pytest.mark.parametrize("solver", SOLVERS.values())
def test_solvers_take_one_stream(solver):
    out = solver(lambda x, _: x, AVLatents(audio=_draw(0, 1, 2, 3)), simple_sigmas(3, 3.0))
    assert out.video is None
    assert out.audio.shape == (1, 2, 3)


def test_guidance_of_one_is_the_prompt_alone():
    cond, uncond = _latents(0), _latents(1)
    out = classifier_free(cond, uncond, video_scale=1.0, audio_scale=1.0)
    assert torch.equal(out.video, cond.video)
    assert torch.equal(out.audio, cond.audio)


def test_each_stream_has_its_own_scale():
    cond, uncond = _latents(0), _latents(1)
    out = classifier_free(cond, uncond, video_scale=4.0, audio_scale=0.0)
    torch.testing.assert_close(out.video, uncond.video + 4 * (cond.video - uncond.video))
    assert torch.equal(out.audio, uncond.audio)
    alone = classifier_free(
        AVLatents(audio=cond.audio), AVLatents(audio=uncond.audio), video_scale=4.0, audio_scale=2.0
    )
    assert alone.video is None
    torch.testing.assert_close(alone.audio, 2 * cond.audio - uncond.audio)
