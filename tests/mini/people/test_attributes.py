from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from jova_core.errors import JoVAError
from jova_core.mini.people import caption_of, draw_person, held_out_looks, read_caption
from jova_core.mini.people.caption import BACKGROUNDS, CHOICES, HAIR_COLOURS, HAIR_STYLES

PEOPLE = [draw_person(seed) for seed in range(3000)]


def test_captions_read_back_as_the_attributes_they_were_made_of():
    for person in PEOPLE:
        assert read_caption(person.caption) == person.attributes
    seen = {(person.sex, person.hair_style) for person in PEOPLE}
    assert seen == {(sex, style) for sex, styles in HAIR_STYLES.items() for style in styles}


def test_a_caption_is_plain_english():
    person = draw_person(
        3, sex="man", hair_style="curly", hair_colour="brown", beard="goatee", glasses=True,
        age=30, skin="tan", expression="smiling", shirt="red", background="blue",
    )  # fmt: skip
    assert person.caption == (
        "a smiling young man with tan skin, curly brown hair, a goatee and glasses "
        "in a red shirt on a blue background"
    )


@pytest.mark.parametrize(
    "text", ["", "a cat", PEOPLE[0].caption.replace("skin", "fur"), PEOPLE[1].caption + " today"]
)
def test_other_texts_are_refused_with_an_example(text):
    with pytest.raises(JoVAError, match="expected one such as"):
        read_caption(text)


def test_attributes_are_independent():
    """Cramér's V of every pair of attributes stays at the level of chance."""
    names = [*CHOICES, "age_group"]
    for first, second in combinations(names, 2):
        pairs = Counter((getattr(p, first), getattr(p, second)) for p in PEOPLE)
        rows = sorted({a for a, _ in pairs}, key=str)
        columns = sorted({b for _, b in pairs}, key=str)
        counts = np.array([[pairs[a, b] for b in columns] for a in rows], float)
        expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
        square = ((counts - expected) ** 2 / expected).sum()
        strength = np.sqrt(square / counts.sum() / (min(counts.shape) - 1))
        assert strength < 0.09, (first, second)


def test_everybody_is_an_adult_and_only_men_have_beards():
    assert all(25 <= person.age <= 75 for person in PEOPLE)
    assert all(person.beard == "none" for person in PEOPLE if not person.man)


def test_held_out_looks_are_never_drawn_and_leave_every_value():
    held = held_out_looks(0)
    assert len(held) >= 0.1 * len(HAIR_COLOURS) * len(BACKGROUNDS)
    trained = {
        (p.hair_colour, p.background) for p in (draw_person(s, avoid=held) for s in range(800))
    }
    assert not trained & set(held)
    assert {hair for hair, _ in trained} == set(HAIR_COLOURS)
    assert {background for _, background in trained} == set(BACKGROUNDS)
    tested = {(p.hair_colour, p.background) for p in (draw_person(s, only=held) for s in range(99))}
    assert tested == set(held)


def test_a_given_attribute_leaves_the_others():
    plain, dressed = draw_person(5), draw_person(5, shirt="green")
    assert dressed.shirt == "green"
    assert caption_of({**dressed.attributes, "shirt": plain.shirt}) == plain.caption


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sex": "child"}, "expected one of: woman, man"),
        ({"age": 12}, "expected 25 to 75"),
        ({"sex": "woman", "beard": "full"}, "expected one of: none"),
        ({"hat": "red"}, "expected fields of a person"),
    ],
)
def test_what_nobody_can_be_is_named(given, message):
    with pytest.raises(JoVAError, match=message):
        draw_person(0, **given)
