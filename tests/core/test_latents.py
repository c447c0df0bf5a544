"""Noise is the same everywhere, shapes follow the timeline, statistics are undone exactly."""

from dataclasses import replace

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.latents import AVLatents, denormalise, draw_noise, latent_shapes, normalise
from jova_core.presets import PRESETS


def test_noise_of_a_seed_is_pinned():
    noise = draw_noise((1, 2, 1, 2, 2), (1, 2, 4), seed=7)
    # Other machines may round the last bit of a logarithm or cosine differently.
    expected_video = torch.tensor(
        [-0.146795, 0.786141, 0.946822, -1.114344, 1.690790, -0.894828, -0.355625, 1.232386]
    )
    expected_audio = torch.tensor(
        [0.138173, -1.682199, 0.317678, 0.132807, 0.137324, 0.240546, 1.395451, 1.347023]
    )
    torch.testing.assert_close(noise.video.flatten(), expected_video, rtol=0, atol=2e-6)
    torch.testing.assert_close(noise.audio.flatten(), expected_audio, rtol=0, atol=2e-6)


def test_large_noise_of_a_seed_is_pinned():
    """Sizes from 16 on take torch's vectorised path, which orders its numbers differently."""
    noise = draw_noise((1, 16, 9, 12, 12), (1, 20, 65), seed=0)
    torch.testing.assert_close(
        noise.video.flatten()[:4],
        torch.tensor([-1.125840, -1.152360, -0.250579, -0.433879]),
        rtol=0,
        atol=2e-6,
    )
    torch.testing.assert_close(
        noise.audio.flatten()[:4],
        torch.tensor([0.567954, -0.602414, -1.646706, 1.193154]),
        rtol=0,
        atol=2e-6,
    )


def test_video_is_drawn_before_audio_from_one_generator():
    noise = draw_noise((1, 4, 2, 3, 3), (1, 5, 6), seed=3)
    generator = torch.Generator().manual_seed(3)
    assert torch.equal(noise.video, torch.randn(1, 4, 2, 3, 3, generator=generator))
    assert torch.equal(noise.audio, torch.randn(1, 5, 6, generator=generator))
    assert noise.video.dtype == noise.audio.dtype == torch.float32


def test_noise_of_one_stream_only():
    video = draw_noise((1, 4, 2, 3, 3), None, seed=3)
    audio = draw_noise(None, (1, 5, 6), seed=3)
    assert video.audio is None
    assert audio.video is None
    assert torch.equal(video.video, draw_noise((1, 4, 2, 3, 3), (1, 5, 6), seed=3).video)
    assert torch.equal(
        audio.audio, torch.randn(1, 5, 6, generator=torch.Generator().manual_seed(3))
    )


def test_noise_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    draw_noise((1, 4, 2, 3, 3), (1, 5, 6), seed=3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_shapes_of_the_mini():
    config = PRESETS["mini"]
    assert latent_shapes(config, 33) == ((1, 16, 9, 12, 12), (1, 20, 65))
    assert latent_shapes(config, 1) == ((1, 16, 1, 12, 12), (1, 20, 2))
    assert latent_shapes(config, 49, batch=3, height=48, width=72) == (
        (3, 16, 13, 6, 9),
        (3, 20, 96),
    )
    paired = replace(config, audio_patch=2)
    assert latent_shapes(paired, 33)[1] == (1, 20, 65)  # the network pads, latents do not
    with pytest.raises(JoVAError, match="nearest is"):
        latent_shapes(config, 32)


def test_normalise_and_back():
    config = PRESETS["jova_24b"]
    x = draw_noise((2, 16, 2, 3, 3), (2, 20, 4), seed=0)
    there = normalise(config, x)
    torch.testing.assert_close(
        there.video[:, 3], (x.video[:, 3] - config.video.mean[3]) / config.video.std[3]
    )
    assert there.audio is x.audio  # no statistics known: left as it is
    torch.testing.assert_close(denormalise(config, there).video, x.video)
    assert normalise(config, AVLatents(audio=x.audio)).video is None


def test_arithmetic_skips_an_absent_stream():
    x = AVLatents(audio=torch.ones(1, 2, 3))
    y = x.add_scaled(x, 0.5)
    assert y.video is None
    assert torch.equal(y.audio, torch.full((1, 2, 3), 1.5))
    assert torch.equal(x.map(torch.neg).audio, -x.audio)
