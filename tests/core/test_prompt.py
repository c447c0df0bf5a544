"""The prompt's parts survive their tagged form; words outside the vocabulary are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jova_core.config import PromptForm
from jova_core.errors import JoVAError
from jova_core.prompt import Prompt, normalise_words
from jova_core.prompt_text import parse_prompt
from jova_core.vocabulary import Vocabulary, describe_markup, describe_unknown, estimate_seconds

WORDS = Vocabulary(("a", "red", "hair", "with"), ("a", "deep", "voice", "speaks"), ("hello", "cat"))
TEXT = st.lists(st.text("abcXYZ'é-,.!?0123 <>\"", min_size=1, max_size=8)).map(
    lambda words: " ".join(" ".join(words).split())
)


@given(st.builds(Prompt, video_caption=TEXT, audio_caption=TEXT, transcript=TEXT))
def test_tagged_text_reads_back(prompt):
    assert parse_prompt(prompt.tagged()) == prompt


def test_tagged_form():
    prompt = Prompt(video_caption="a face", audio_caption="a voice", transcript="hello")
    assert prompt.tagged() == (
        "<Video Caption>: a face <Audio Caption>: a voice <Transcript>: hello"
    )
    assert Prompt().tagged() == "<Video Caption>: <Audio Caption>: <Transcript>:"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("", "", "")),
        ("a red face", ("a red face", "", "")),
        ("<transcript>: hi  there\n<VIDEO caption> a face", ("a face", "", "hi there")),
        ("a face <Transcript>: hi", ("a face", "", "hi")),
        ('a face who says: "hello cat"', ("a face", "", "hello cat")),
        ("A man saying “hello”, then “cat”.", ("A man then", "", "hello cat")),
        ('a face speaks: "hi" on a pink background', ("a face on a pink background", "", "hi")),
        ('"hello"', ("", "", "hello")),
        ('a 5" tall man', ('a 5" tall man', "", "")),
        ("don't stop", ("don't stop", "", "")),
    ],
)
def test_parse(text, parts):
    prompt = parse_prompt(text)
    assert (prompt.video_caption, prompt.audio_caption, prompt.transcript) == parts


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("<Transcript>: a <transcript>: b", "twice"),
        ("<Music>: loud", "unknown tag <Music>"),
        ("a face <Video Caption>: another", "before its first tag"),
    ],
)
def test_wrong_tags_are_named(text, match):
    with pytest.raises(JoVAError, match=match) as caught:
        parse_prompt(text)
    assert "<Video Caption>:, <Audio Caption>:, <Transcript>:" in str(caught.value)


def test_parts_hold_text_without_tags():
    with pytest.raises(JoVAError, match="contains a prompt tag"):
        Prompt(transcript="<Transcript>: hi")
    with pytest.raises(JoVAError, match="must be text"):
        Prompt(video_caption=3)


def test_normalise_words():
    text = "Hello, 'CAT'! It’s well-known: “7 dogs’ 12”…"
    assert normalise_words(text) == [
        *["hello", "cat", "it's", "well", "known", "seven", "dogs", "one", "two"]
    ]
    assert normalise_words(" ...-- ") == []


@given(st.text())
def test_normalised_words_stay_as_they_are(text):
    words = normalise_words(text)
    assert normalise_words(" ".join(words)) == words


def test_unknown_words_are_named_with_the_list():
    prompt = parse_prompt("<Video Caption>: a redd hair <Transcript>: hello Zebra, zebra 7")
    assert WORDS.unknown(prompt) == {"video_caption": ["redd"], "transcript": ["zebra", "seven"]}
    sentence = describe_unknown(prompt, WORDS)
    caption = "in the video caption, ignored: 'redd' (did you mean 'red'?). The model knows: a,"
    assert caption in sentence
    said = "transcript, spoken by their phonemes: 'zebra', 'seven'. The model knows: hello, cat."
    assert said in sentence
    known = Prompt(video_caption="A red hair", audio_caption="deep voice", transcript="Hello cat!")
    assert describe_unknown(known, WORDS) == ""


def test_vocabulary_round_trip():
    assert Vocabulary.from_dict(WORDS.to_dict()) == WORDS
    with pytest.raises(JoVAError, match="expected"):
        Vocabulary.from_dict({"video_words": []})


def test_estimate_seconds():
    assert estimate_seconds("hello cat") == pytest.approx(1.28)
    assert estimate_seconds("...") == 0


def test_the_second_version_of_the_paper_orders_the_tags_otherwise():
    form = PromptForm(
        order=("transcript", "audio_caption", "video_caption"), transcript_if_empty=False
    )
    said = Prompt(video_caption="a face", audio_caption="a low voice", transcript="hello")
    expected = "<Transcript>: hello <Audio Caption>: a low voice <Video Caption>: a face"
    assert said.tagged(form) == expected
    silent = Prompt(video_caption="a face", audio_caption="rain")
    assert silent.tagged(form) == "<Audio Caption>: rain <Video Caption>: a face"
    assert parse_prompt(said.tagged(form)) == said
    assert parse_prompt(silent.tagged(form)) == silent
    with pytest.raises(JoVAError, match="once"):
        PromptForm(order=("transcript",))


@pytest.mark.parametrize(
    ("text", "words", "markup"),
    [
        ("(hello:1.2) friend", ["hello", "friend"], ["(hello:1.2)"]),
        ("((hello:1.1) dear friend:.9)", ["hello", "dear", "friend"], ["(hello:1.1)"]),
        ("{hello|friend}", ["hello", "friend"], ["{hello|friend}"]),
        ("at (ten:30)", ["at", "ten", "three", "zero"], []),
        ("hello (friend)", ["hello", "friend"], []),
    ],
)
def test_weights_are_no_words(text, words, markup):
    assert normalise_words(text) == words
    assert all(found in describe_markup(Prompt(transcript=text)) for found in markup)
    assert bool(describe_markup(Prompt(transcript=text))) == bool(markup)
