import numpy as np
import pytest

from jova_core.mini.voices.measure import brightness, pitches


def voiced(pitch, tilt=1.0):
    """A second of the harmonics of a pitch, each weaker by 1/number to the power of `tilt`."""
    time = np.arange(16000) / 16000
    numbers = np.arange(1, int(7000 / pitch))
    return 0.1 * np.sum(
        [np.sin(2 * np.pi * pitch * n * time + n * n) / n**tilt for n in numbers], axis=0
    )


@pytest.mark.parametrize("pitch", [80, 121, 210, 290])
def test_pitch_of_a_voiced_sound(pitch):
    found = pitches(voiced(pitch).astype(np.float32))
    assert len(found) > 80
    assert np.median(found) == pytest.approx(pitch, rel=0.02)


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1
    assert len(pitches(noise)) < 5
    assert len(pitches(np.zeros(16000, np.float32))) == 0
    assert len(pitches(np.zeros(100, np.float32))) == 0


def test_a_steeper_spectrum_is_darker():
    assert brightness(voiced(120, 2.0)) < brightness(voiced(120, 1.0)) - 10
