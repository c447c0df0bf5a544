from pathlib import Path

import pytest

from jova_core.errors import JoVAError
from jova_core.mini.data import vocabulary


def test_captions_have_the_published_wording():
    look = {"skin": "pale", "hair": "red", "shirt": "blue", "background": "pink"}
    expected = "a pale face with red hair in a blue shirt on a pink background"
    assert vocabulary.video_caption(look) == expected
    bare = vocabulary.video_caption({**look, "shirt": None})
    assert bare == "a pale face with red hair on a pink background"
    assert vocabulary.audio_caption("deep") == "a deep voice speaks"


def test_unknown_values_are_named_with_what_is_allowed():
    look = {"skin": "pale", "hair": "orange", "shirt": None, "background": "pink"}
    with pytest.raises(JoVAError, match=r"hair is 'orange'.*blond"):
        vocabulary.video_caption(look)
    with pytest.raises(JoVAError, match=r"voice is 'loud'.*soft"):
        vocabulary.audio_caption("loud")


@pytest.mark.parametrize("seed", [0, 1, 17])
def test_held_out_shares_and_everything_still_trained(seed):
    held = vocabulary.held_out_pairs(seed)
    looks, pairs = set(held.hair_background), set(held.word_pairs)
    all_looks = {(h, b) for h in vocabulary.HAIRS for b in vocabulary.BACKGROUNDS}
    all_pairs = set(vocabulary.ordered_word_pairs())
    assert looks < all_looks
    assert pairs < all_pairs
    assert len(looks) >= 0.1 * len(all_looks)
    assert len(pairs) >= 0.2 * len(all_pairs)
    trained_looks, trained_pairs = all_looks - looks, all_pairs - pairs
    assert {h for h, _ in trained_looks} == set(vocabulary.HAIRS)
    assert {b for _, b in trained_looks} == set(vocabulary.BACKGROUNDS)
    for place in (0, 1):
        assert {pair[place] for pair in trained_pairs} == set(vocabulary.WORDS)


def test_split_depends_on_the_seed_only():
    assert vocabulary.held_out_pairs(3) == vocabulary.held_out_pairs(3)
    assert vocabulary.held_out_pairs(3) != vocabulary.held_out_pairs(4)


def test_words_are_unique():
    assert len(set(vocabulary.WORDS)) == len(vocabulary.WORDS) == 160
    assert not set(vocabulary.WORDS) & set(vocabulary.UNSEEN_WORDS)


def test_the_help_of_the_prompt_lists_every_word():
    page = Path(__file__).parents[3] / "js" / "docs" / "JoVAPrompt.md"
    listed = page.read_text(encoding="utf-8").split("trained to say:**")[1].split(".")[0]
    assert listed.replace("\n", " ").replace(",", " ").split() == list(vocabulary.WORDS)
