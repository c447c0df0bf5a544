"""Judges of natural speech: what they compare, and that each hears a real voice."""

import numpy as np
import pytest

from jova_core.errors import JoVAError
from jova_core.mini.evaluation import listening
from jova_core.mini.evaluation.listening import (
    heard_phonemes,
    heard_words,
    missing_judges,
    naturalness,
    phoneme_errors,
    plain_words,
    speaker,
)
from jova_core.mini.samples import load_sample, sample_names

MISSING = missing_judges()


def needs(kind):
    reason = f"{kind} cannot be judged without {' and '.join(MISSING.get(kind, ()))}"
    return pytest.mark.skipif(kind in MISSING, reason=reason)


@pytest.fixture(scope="module")
def wave():
    return load_sample("brown-hair").audio.numpy()


def test_words_are_compared_without_signs_and_digits():
    assert plain_words("Yes, I’ve 2 cats!") == ["yes", "i've", "two", "cats"]
    assert plain_words("10") == ["one", "zero"]


def test_merged_vowels_are_no_error():
    assert phoneme_errors(["T", "AO", "K"], ["T", "AA", "K"]) == 0
    assert phoneme_errors(["T", "AO", "K"], ["T", "AA"]) == 1


def test_every_phone_of_cmudict_can_be_heard():
    heard = set(listening._PHONES.values())
    assert len(heard) == 38
    assert "AO" not in heard


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(listening, "find_spec", lambda _: None)
    listening._hama.cache_clear()
    with pytest.raises(JoVAError, match="hama must be installed"):
        heard_phonemes(np.zeros(16000))
    listening._hama.cache_clear()


@needs("words")
def test_whisper_hears_the_sample_say_something(wave):
    assert heard_words(wave)
    assert all(word.islower() for word in heard_words(wave))


@needs("phonemes")
def test_phonemes_are_those_of_cmudict(wave):
    heard = heard_phonemes(wave)
    assert len(heard) > 2
    assert all(sound.isupper() for sound in heard)


@needs("naturalness")
def test_noise_sounds_less_natural_than_a_voice(wave):
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(wave))
    assert 1 < naturalness(noise) < naturalness(wave) < 5


@needs("speaker")
def test_the_halves_of_a_voice_are_nearer_than_two_voices(wave):
    names = sample_names()
    halves = wave[: len(wave) // 2], wave[len(wave) // 2 :]
    one, same = (speaker(part) for part in halves)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-3)
    other = speaker(load_sample(next(n for n in names if n != "brown-hair")).audio.numpy())
    assert one @ same > one @ other
