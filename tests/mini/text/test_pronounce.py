"""How words sound: looked up, or read by spelling rules."""

import re

import pytest

from jova_core.mini.data.vocabulary import UNSEEN_WORDS, WORDS
from jova_core.mini.text.pronounce import VOWELS, pronounce


def test_words_of_the_dictionary():
    assert pronounce("hello") == ("HH", "AH0", "L", "OW1")
    assert pronounce("i") == ("AY1",)
    assert pronounce("don't") == ("D", "OW1", "N", "T")


def test_the_first_and_the_last_word_are_found():
    assert pronounce("a") == ("AH0",)
    assert pronounce("zyuganov")[0] == "Z"


@pytest.mark.parametrize("word", [*WORDS, *UNSEEN_WORDS])
def test_every_published_word_has_few_phonemes(word):
    assert 0 < len(pronounce(word)) <= 8


def test_other_words_follow_spelling_rules():
    assert pronounce("jova") == ("JH", "AA1", "V", "AH0")
    assert pronounce("blorp") == ("B", "L", "AO1", "R", "P")
    assert pronounce("shtick'em")[:2] == ("SH", "T")
    # A silent e at the end, and one that is the only vowel.
    assert pronounce("brone") == ("B", "R", "AA1", "N")
    assert pronounce("bre") == ("B", "R", "EH1")


def test_sounds_are_arpabet_with_one_stress_at_least():
    symbol = re.compile(r"[A-Z]{1,2}[01]?")
    for word in ("thrilling", "mothle", "kwijibo", "skibidi", "blutter", "chrysalith"):
        sounds = pronounce(word)
        assert all(symbol.fullmatch(sound) for sound in sounds)
        assert all((sound[:-1] in VOWELS) == sound[-1].isdigit() for sound in sounds)
        assert sum(sound.endswith("1") for sound in sounds) == 1


def test_another_script_is_silent():
    assert pronounce("привет") == ()
