import numpy as np
import pytest

from jova_core.mini.voices.speech import SAMPLE_RATE, Phone
from jova_core.mini.voices.trim import LEVEL, PEAK, tidy

RATE = 24000


def phone(symbol, start, end):
    return Phone(symbol=symbol, stress=0, start=start, end=end, word=0)


def tone(frequency, start, end, seconds=2.0):
    time = np.arange(round(seconds * RATE)) / RATE
    return np.where((time >= start) & (time < end), np.sin(2 * np.pi * frequency * time), 0) * 0.3


def test_silence_goes_and_the_phones_fill_what_is_left():
    phones = [phone("AH", 0.52, 0.8), phone("M", 0.8, 1.5)]
    speech = tidy(tone(300, 0.5, 1.2), RATE, phones)
    assert speech.seconds == pytest.approx(0.7 + 2 * 0.015, abs=0.02)
    assert speech.phones[0].start == 0
    assert speech.phones[0].end == pytest.approx(0.8 - 0.485, abs=0.01)
    assert speech.phones[1].end == speech.seconds


def test_a_closure_before_the_first_sound_stays_but_no_long_one():
    sound = tone(300, 0.5, 1.2)
    kept = tidy(sound, RATE, [phone("P", 0.46, 0.52), phone("AH", 0.52, 1.2)])
    assert kept.phones[0].end == pytest.approx(0.06, abs=0.01)
    cut = tidy(sound, RATE, [phone("P", 0.1, 0.52), phone("AH", 0.52, 1.2)])
    assert cut.phones[0].end == pytest.approx(0.08, abs=0.01)


def test_one_level_no_clipping_and_nothing_folded_down_from_above_8_khz():
    phones = [phone("AH", 0.5, 1.2)]
    speech = tidy(tone(300, 0.5, 1.2), RATE, phones)
    assert np.sqrt(np.mean(speech.samples**2)) == pytest.approx(LEVEL, rel=0.01)
    clicks = np.zeros(2 * RATE)
    clicks[RATE // 2 : RATE : 2400] = 1
    assert np.abs(tidy(clicks, RATE, phones).samples).max() == pytest.approx(PEAK, abs=0.01)
    mixed = tidy(tone(300, 0.5, 1.2) + tone(10000, 0.5, 1.2), RATE, phones).samples
    power = np.abs(np.fft.rfft(mixed * np.hanning(len(mixed)))) ** 2
    frequencies = np.fft.rfftfreq(len(mixed), 1 / SAMPLE_RATE)
    near = np.abs(frequencies - 6000) < 100
    assert power[near].max() < 1e-5 * power.max()
