import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jova_core.mini.evaluation.shuffle import derangements
from jova_core.mini.evaluation.words import (
    edit_distance,
    words_right,
    words_right_shuffled,
)

texts = st.lists(st.sampled_from("abcd"), max_size=6)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "edits"),
    [
        ("hello cat", "hello cat", 0),
        ("hello cat", "cat hello", 2),
        ("hello cat", "hello big cat", 1),
        ("hello cat", "", 2),
        ("one", "two three", 2),
        ("", "", 0),
        ("", "one", 1),
    ],
)
def test_edit_distance_counts_words(reference, hypothesis, edits):
    assert edit_distance(reference.split(), hypothesis.split()) == edits


@given(texts, texts, texts)
def test_edit_distance_is_a_metric(a, b, c):
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, b) == edit_distance(b, a)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)


def test_words_right_counts_words_of_the_whole_set_and_stops_at_zero():
    assert words_right([["a", "b", "c"], ["d"]], [["a", "b", "c"], ["x"]]) == 0.75
    assert words_right([["a"]], [["x", "y", "z"]]) == 0
    assert math.isnan(words_right([[]], [["x"]]))


def test_shuffled_words_are_chance_and_not_the_clip_itself():
    references = [[word] for word in "abcdefgh"]
    assert words_right_shuffled(references, references) == 0
    same = [["a"]] * 6
    assert words_right_shuffled(same, same) == 1
    assert math.isnan(words_right_shuffled([["a"]], [["a"]]))


def test_a_clip_whose_word_count_is_alone_is_scored_against_another_clip():
    references = [["a"], ["b", "c"]]
    assert words_right_shuffled(references, references) == 0


def test_derangements_move_everyone_within_the_group():
    groups = [33, 33, 49, 49, 49, 65]
    moved = derangements(groups, n=30, seed=3)
    assert np.array_equal(np.array(groups)[moved], np.tile(groups, (30, 1)))
    assert (moved[:, :5] != np.arange(5)).all()
    assert (moved[:, 5] == 5).all()
    assert np.array_equal(moved, derangements(groups, n=30, seed=3))
