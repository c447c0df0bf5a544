import itertools
import lzma
from collections import Counter
from pathlib import Path

import pytest

from jova_core.mini.text import pronounce as pronounce_file
from jova_core.mini.text.pronounce import pronounce
from jova_core.mini.voices.phrases import parse, write_phrases
from jova_core.mini.voices.words import (
    is_held_out,
    single_words,
    trained_words,
    unseen_words,
    word_kinds,
)


@pytest.fixture(scope="module")
def dictionary():
    packed = Path(pronounce_file.__file__).with_name("cmudict.txt.xz").read_bytes()
    return {line.split(" ")[0] for line in lzma.decompress(packed).decode().splitlines()}


@pytest.fixture(scope="module")
def phrases():
    return write_phrases(4000, seed=0)


def test_the_words_are_many_known_to_the_dictionary_and_apart(dictionary):
    assert len(trained_words()) >= 600
    assert len(unseen_words()) >= 24
    assert not set(trained_words()) & set(unseen_words())
    assert {*trained_words(), *unseen_words()} <= dictionary
    assert all(len(set(words)) == len(words) for words in word_kinds().values())


def test_the_same_seed_gives_the_same_phrases_and_a_longer_list_begins_alike(phrases):
    assert write_phrases(50, seed=0) == phrases[:50]
    assert write_phrases(50, seed=1) != phrases[:50]


def test_training_covers_every_word_evenly_and_every_phone(phrases):
    said = Counter(word for phrase in phrases for word in phrase.words)
    assert set(said) == set(trained_words())
    assert min(said.values()) >= 10
    assert said.most_common(1)[0][1] <= 0.08 * said.total()
    phones = Counter(
        phone.rstrip("012") for word, times in said.items() for phone in pronounce(word) * times
    )
    assert len(phones) == 39
    assert min(phones.values()) >= 50


def test_phrases_are_one_to_seven_words(phrases):
    lengths = Counter(len(phrase.words) for phrase in phrases)
    assert set(lengths) == set(range(1, 8))
    assert min(lengths.values()) >= 150


def test_no_training_phrase_has_a_held_out_pair_and_every_held_out_phrase_has_one(phrases):
    def held(phrase):
        return any(itertools.starmap(is_held_out, itertools.pairwise(phrase.words)))

    assert not any(map(held, phrases))
    assert all(map(held, write_phrases(200, seed=0, split="heldout")))


def test_a_fifth_of_the_pairs_is_held_out_but_none_of_frequent_words():
    words = trained_words()
    pairs = [(first, second) for first in words[::7] for second in words[::5]]
    assert 0.17 < sum(itertools.starmap(is_held_out, pairs)) / len(pairs) < 0.23
    assert not any(is_held_out("in", owner) for owner in word_kinds()["owner"])


def test_unseen_phrases_have_a_word_that_training_lacks(phrases):
    unseen = set(unseen_words())
    assert all(unseen & set(phrase.words) for phrase in write_phrases(200, seed=0, split="unseen"))
    assert not any(unseen & set(phrase.words) for phrase in phrases)


def test_words_that_only_sentences_hold_are_in_no_list():
    assert {"a", "an", "am"} <= set(trained_words()) - set(single_words())


def test_the_text_has_names_large_and_an_before_a_vowel():
    phrase = parse("lucy, i'm a old friend.")
    assert phrase.text == "Lucy, I'm an old friend."
    assert phrase.words == ("lucy", "i'm", "an", "old", "friend")
    assert parse("a hour.").text == "An hour."
    assert parse("a university.").text == "A university."
