"""Both streams turn by one clock: the same moment is the same angle, and only distance counts."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jova_core.config import AudioSpec
from jova_core.kernels.reference import rotate
from jova_core.model.rope import audio_positions, audio_rope, video_rope
from jova_core.presets import PRESETS
from jova_core.timeline import Timeline

CPU = torch.device("cpu")
MINI = PRESETS["mini"]


def _with_rates(fps, rate, **changes):
    return replace(
        MINI,
        video=replace(MINI.video, fps=fps),
        audio=AudioSpec(latent_rate=rate, channels=20),
        **changes,
    )


@pytest.mark.parametrize("fps", [Fraction(16), Fraction(24000, 1001)])
@pytest.mark.parametrize("patch", [1, 2])
def test_the_same_moment_has_the_same_temporal_angle(fps, patch):
    """At audio rate fps·patch/4 · odd, some audio tokens sit exactly on a video latent."""
    config = _with_rates(fps, fps * patch / 4 * 3, audio_patch=patch)
    time = config.rope_axes[0] // 2
    video = video_rope(config, (6, 1, 1), CPU)
    audio = audio_rope(config, 18, CPU)
    positions = audio_positions(config, 18)
    # Token n covers a third of a latent: (n + ½)/3 + ¼ = j has no whole solution, so compare
    # through the position that the angles encode.
    for turned, places in ((video, torch.arange(6.0)), (audio, positions)):
        exponents = torch.arange(0, 2 * time, 2).double() / (2 * time)
        angles = places.double()[:, None] * config.rope_theta**-exponents
        torch.testing.assert_close(turned[0][:, :time].double(), angles.cos(), atol=1e-5, rtol=0)
        torch.testing.assert_close(turned[1][:, :time].double(), angles.sin(), atol=1e-5, rtol=0)


def test_an_audio_token_on_a_video_latent_has_its_very_angle():
    """With one audio latent a picture and an odd ratio, a middle falls on a latent's middle."""
    video = replace(MINI.video, temporal_ratio=3)
    config = replace(MINI, video=video, audio_patch=1, audio=AudioSpec(latent_rate=Fraction(16)))
    time = config.rope_axes[0] // 2
    angles_v, angles_a = video_rope(config, (5, 1, 1), CPU), audio_rope(config, 13, CPU)
    for latent in range(1, 5):
        frame = 3 * latent - 1  # the middle one of its three pictures
        assert Timeline.of(config).latent_of_frame(frame) == latent
        for v, a in zip(angles_v, angles_a, strict=True):
            torch.testing.assert_close(v[latent, :time], a[frame, :time], atol=1e-6, rtol=0)


def test_only_the_temporal_slice_of_audio_turns():
    time = MINI.rope_axes[0] // 2
    cos, sin = audio_rope(MINI, 9, CPU)
    assert cos.shape == (9, MINI.head_dim // 2)
    assert (cos[:, time:] == 1).all()
    assert (sin[:, time:] == 0).all()
    assert sin[:, :time].abs().min() > 0


def test_video_angles_factorise_over_time_rows_and_columns():
    t, h, w = 3, 4, 5
    cos, _ = video_rope(MINI, (t, h, w), CPU)
    cos = cos.view(t, h, w, -1)
    a, b, _ = (axis // 2 for axis in MINI.rope_axes)
    assert (cos[..., :a] == cos[:, :1, :1, :a]).all()
    assert (cos[..., a : a + b] == cos[:1, :, :1, a : a + b]).all()
    assert (cos[..., a + b :] == cos[:1, :1, :, a + b :]).all()


@pytest.mark.parametrize(
    ("kind", "first", "step"),
    # 16 fps / 4 against 31.25 Hz: a token lasts 0.128 video latents.
    [("aligned", 0.128 / 2 + 0.25, 0.128), ("scaled", 0.0, 0.128), ("none", 0.0, 1.0)],
)
def test_three_ways_to_place_audio(kind, first, step):
    config = replace(MINI, rope_time=kind, audio_patch=1)
    positions = audio_positions(config, 50)
    torch.testing.assert_close(positions, first + step * torch.arange(50.0))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_scores_depend_on_distance_only(i, j, move):
    """⟨R(i) q, R(j) k⟩ = ⟨R(i+m) q, R(j+m) k⟩."""
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, MINI.head_dim, generator=generator)
    cos, sin = video_rope(MINI, (81, 1, 1), CPU)

    def score(a, b):
        return (rotate(q, cos[a], sin[a]) * rotate(k, cos[b], sin[b])).sum()

    torch.testing.assert_close(score(i, j), score(i + move, j + move), atol=1e-4, rtol=1e-5)
