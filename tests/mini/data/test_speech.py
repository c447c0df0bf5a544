from itertools import pairwise

import numpy as np
import pytest

from jova_core.errors import JoVAError
from jova_core.mini.data import speech
from jova_core.mini.data.speech import SAMPLE_RATE
from jova_core.mini.data.vocabulary import VOICES

WORDS = ("hello", "music", "big")


@pytest.fixture(scope="module")
def bank():
    try:
        speech.load_espeak()
    except JoVAError as error:
        pytest.skip(str(error))
    return speech.make_bank(WORDS)


def pitch(samples):
    """Median fundamental frequency in Hz of the loud parts, by autocorrelation."""
    found = []
    for start in range(0, len(samples) - 1024, 256):
        part = samples[start : start + 1024]
        if np.sqrt(np.mean(part**2)) > 0.8:
            correlation = np.correlate(part, part, "full")[1023:]
            found.append(SAMPLE_RATE / (50 + np.argmax(correlation[50:240])))
    return np.median(found)


def test_missing_espeak_says_what_to_install(monkeypatch):
    monkeypatch.setattr(speech.ctypes.util, "find_library", lambda _: "no-such-library.so")
    with pytest.raises(JoVAError, match="install espeak-ng"):
        speech.load_espeak()


def test_bank_holds_every_word_voice_and_variant(bank):
    assert len(bank) == len(WORDS) * len(VOICES) * len(speech.PROSODY)
    for spoken in bank.values():
        assert spoken.samples.dtype == np.float32
        assert 0.2 < spoken.seconds < 1.2
        assert np.sqrt(np.mean(spoken.samples**2)) == pytest.approx(1, abs=1e-3)


def test_the_bank_is_the_same_on_every_run(bank):
    again = speech.make_bank(WORDS)
    assert again.keys() == bank.keys()
    for key, spoken in again.items():
        assert spoken.phonemes == bank[key].phonemes
        assert np.array_equal(spoken.samples, bank[key].samples)


def test_words_start_and_end_without_a_click(bank):
    for spoken in bank.values():
        assert np.abs(spoken.samples[[0, -1]]).max() < 0.02


def test_phonemes_are_in_order_and_inside_the_word(bank):
    for spoken in bank.values():
        times = [time for p in spoken.phonemes for time in (p.start, p.end)]
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] <= spoken.seconds + 1e-9
    assert [p.name for p in bank["big", "clear", 0].phonemes] == ["b", "I", "g"]
    assert bank["hello", "deep", 0].phonemes[-1].name == "oU"


def test_vowels_are_louder_than_the_word_on_average(bank):
    for voice in VOICES:
        spoken = bank["big", voice, 0]
        vowel = next(p for p in spoken.phonemes if p.name == "I")
        part = spoken.samples[round(vowel.start * SAMPLE_RATE) : round(vowel.end * SAMPLE_RATE)]
        assert np.sqrt(np.mean(part**2)) > 1


def test_voices_have_rising_pitch(bank):
    voices = ("low", "warm", "clear", "soft", "high")
    pitches = [pitch(bank["hello", voice, 0].samples) for voice in voices]
    assert all(high > 1.1 * low for low, high in pairwise(pitches))


def test_resample_keeps_a_tone():
    rate, frequency = 22050, 440.0
    tone = np.sin(2 * np.pi * frequency * np.arange(rate // 2) / rate)
    made = speech.resample(tone, rate)
    assert len(made) == SAMPLE_RATE // 2
    expected = np.sin(2 * np.pi * frequency * np.arange(len(made)) / SAMPLE_RATE)
    assert np.abs(made - expected)[200:-200].max() < 0.01


def test_loudness_is_the_local_rms():
    samples = np.concatenate((np.zeros(1600), np.full(1600, 0.5), np.zeros(1600)))
    level = speech.loudness(samples)
    assert level[2400] == pytest.approx(0.5)
    assert level[800] == 0
