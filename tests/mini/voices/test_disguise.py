"""A voice in disguise: another pitch and other formants at the same moments."""

import numpy as np
import pytest

from jova_core.mini.voices.disguise import disguise, shift_voice

RATE = 16000


def vowels(pitch=120.0, formant=700.0):
    """Half a second of silence, a vowel, silence, a vowel: a pulse train through a resonance."""
    time = np.arange(RATE // 2) / RATE
    sound = sum(
        np.exp(-(((k * pitch - formant) / 200) ** 2)) * np.sin(2 * np.pi * k * pitch * time)
        for k in range(1, 40)
    )
    sound *= 0.2 / np.abs(sound).max()
    quiet = np.zeros(RATE // 2)
    return np.concatenate([quiet, sound, quiet, sound])


def pitch_of(wave):
    part = wave[RATE * 5 // 8 : RATE * 7 // 8]
    found = np.correlate(part, part, "full")[len(part) - 1 :]
    low = RATE // 400
    return RATE / (low + found[low : RATE // 60].argmax())


def centre_of(wave):
    size = np.abs(np.fft.rfft(wave)) ** 2
    return float((size * np.fft.rfftfreq(len(wave), 1 / RATE)).sum() / size.sum())


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_pitch_moves_alone(factor):
    wave = vowels()
    made = shift_voice(wave, factor, 1.0)
    assert len(made) == len(wave)
    assert pitch_of(made) / pitch_of(wave) == pytest.approx(factor, rel=0.04)
    assert centre_of(made) / centre_of(wave) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("factor", [0.85, 1.15])
def test_formants_move_alone(factor):
    wave = vowels()
    made = shift_voice(wave, 1.0, factor)
    assert pitch_of(made) == pytest.approx(pitch_of(wave), rel=0.02)
    assert centre_of(made) / centre_of(wave) == pytest.approx(factor, abs=0.08)


def test_speech_stays_where_it_is_and_a_seed_gives_the_same():
    wave = vowels().astype(np.float32)
    one, again, other = (disguise(wave, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    for seed in range(12):
        made = disguise(wave, np.random.default_rng(seed))
        assert made.dtype == np.float32
        assert len(made) == len(wave)
        assert np.abs(made).max() <= 1
        loud = np.convolve(made**2, np.ones(800) / 800, "same")
        spoken = np.convolve(wave**2, np.ones(800) / 800, "same")
        assert np.corrcoef(loud, spoken)[0, 1] > 0.6
