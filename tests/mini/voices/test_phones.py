import pytest

from jova_core.errors import JoVAError
from jova_core.mini.text.pronounce import pronounce
from jova_core.mini.voices.phones import ARPABET, timed_phones


def said(signs):
    """Phones and stress of signs that all last equally long, as CMUdict would write them."""
    return [
        phone.symbol + (str(phone.stress) if phone.stress else "")
        for phone in timed_phones(signs, [2] * (len(signs) + 2))
    ]


@pytest.mark.parametrize(
    ("signs", "word"),
    [
        *[("həlˈO", "hello"), ("bˈɜɹd", "bird"), ("mˈʌðəɹ", "mother"), ("wˈɔTəɹ", "water")],
        *[("ʧˈIld", "child"), ("ʤˈʌʤ", "judge"), ("θˈɪŋk", "think"), ("mˈɛʒəɹ", "measure")],
        *[("vˈYs", "voice"), ("hˈWs", "house"), ("jˈɛlO", "yellow"), ("bˈʊk", "book")],
    ],
)
def test_signs_become_the_dictionarys_phones(signs, word):
    assert said(signs) == [phone.removesuffix("0") for phone in pronounce(word)]


def test_an_r_after_a_weak_vowel_stays_before_a_stressed_one():
    assert said("əɹˈWnd") == ["AH", "R", "AW1", "N", "D"]
    assert said("ðə ɹˈɛd") == ["DH", "AH", "R", "EH1", "D"]


def test_every_vowel_and_consonant_of_the_dictionary_is_reached():
    assert len(set(ARPABET.values())) == 39


def test_times_are_frames_of_25_ms_shifted_by_75():
    #         pad  h  ə  l  ˈ  O  .  pad
    phones = timed_phones("həlˈO.", [11, 2, 2, 2, 4, 8, 6, 1])
    starts = [round(phone.start, 4) for phone in phones]
    assert starts == [0.2, 0.25, 0.3, 0.35]
    # The stress mark's time is its vowel's, and a tenth of a second of the stop that follows too.
    assert phones[-1].end == pytest.approx(0.35 + 12 * 0.025 + 0.1)
    assert (phones[-1].symbol, phones[-1].stress) == ("OW", 1)


def test_words_are_counted_and_long_pauses_left_open():
    #         pad  h  ˈ  I  ,  _  b  ˈ  ɛ  n  .  pad
    phones = timed_phones("hˈI, bˈɛn.", [8, 2, 2, 4, 6, 6, 2, 2, 2, 4, 4, 1])
    assert [phone.word for phone in phones] == [0, 0, 1, 1, 1]
    assert phones[2].start - phones[1].end == pytest.approx(12 * 0.025 - 0.1)


def test_a_sign_of_another_language_is_named():
    with pytest.raises(JoVAError, match="'ø'"):
        said("bøk")
