import pytest

from jova_core.errors import JoVAError
from jova_core.mini.voices.cast import (
    CAST,
    NEWCOMER,
    VOICES,
    audio_caption,
    caption_words,
    find_voice,
)
from jova_core.prompt import normalise_words


def test_women_and_men_and_one_kept_out():
    sexes = [CAST[voice].sex for voice in VOICES]
    assert sexes.count("woman") >= 4
    assert sexes.count("man") >= 4
    assert NEWCOMER not in VOICES
    packs = {pack for voice in VOICES for pack in CAST[voice].packs}
    assert not packs & set(CAST[NEWCOMER].packs)


def test_every_voice_has_a_caption_of_its_own_in_published_words():
    captions = {audio_caption(voice, tempo) for voice in CAST for tempo in (0.85, 1.0, 1.15)}
    assert len(captions) == 3 * len(CAST)
    assert {word for text in captions for word in normalise_words(text)} == set(caption_words())


def test_captions_say_what_was_measured():
    assert audio_caption("kore", 1.0) == "a lively woman with a low warm voice speaks"
    assert audio_caption("michael", 0.9) == "a man with a medium clear voice speaks slowly"
    assert audio_caption("george", 1.1) == "a calm man with a light warm voice speaks quickly"
    with pytest.raises(JoVAError, match=r"'robot'.*kore"):
        find_voice("robot")
