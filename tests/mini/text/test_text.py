"""The mini's text features: caption words are one token, spoken words one for each sound."""

from dataclasses import replace

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mini.text.encoder import MiniTextEncoder, Token
from jova_core.mini.text.pronounce import pronounce
from jova_core.presets import PRESETS
from jova_core.prompt import Prompt
from jova_core.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("a", "red", "hair"), ("deep", "voice", "speaks"), ("hello", "cat", "dog"))


@pytest.fixture
def encoder():
    return MiniTextEncoder(VOCABULARY, 16)


def _texts(encoder, **parts):
    return [(t.text or t.sound, t.part) for t in encoder.tokens(Prompt(**parts))]


def _sounds(word, index, text):
    return [Token(text, 2, index, sound, at) for at, sound in enumerate(pronounce(word))]


def test_each_part_has_its_own_words(encoder):
    assert _texts(
        encoder, video_caption="a red cat", audio_caption="deep Voice", transcript="Hello!"
    ) == [("red", 0), ("deep", 1), ("voice", 1), *[("hello", 2)] * 4]


def test_fillers_are_left_out_of_captions_but_not_of_speech():
    encoder = MiniTextEncoder(Vocabulary(("a", "red"), (), ("a", "cat")), 16)
    assert _texts(encoder, video_caption="a red", transcript="a cat") == [
        *(("red", 0), ("a", 2), ("cat", 2), ("cat", 2), ("cat", 2))
    ]
    # A word keeps its place in the sentence.
    assert encoder.tokens(Prompt(video_caption="a red")) == [Token("red", 0, 0)]


def test_spoken_words_are_told_by_their_sounds_and_named_if_trained(encoder):
    tokens = encoder.tokens(Prompt(transcript="hello owl"))
    assert tokens == [*_sounds("hello", 0, "hello"), *_sounds("owl", 1, "")]
    assert [token.sound for token in tokens] == ["HH", "AH0", "L", "OW1", "AW1", "L"]


def test_trained_words_can_be_given_by_phonemes_alone(encoder):
    tokens = encoder.tokens(Prompt(video_caption="red", transcript="cat dog"), phonemes_only=(1,))
    assert tokens == [Token("red", 0, 0), *_sounds("cat", 0, "cat"), *_sounds("dog", 1, "")]


def test_too_long_a_prompt_is_refused():
    with pytest.raises(JoVAError, match="prompt of 5 tokens; this model reads up to 3"):
        MiniTextEncoder(VOCABULARY, 3).tokens(Prompt(transcript="zebra"))


def test_a_checkpoint_of_other_encoders_is_refused():
    config = PRESETS["mini"]
    assert MiniTextEncoder.of(config, VOCABULARY).max_tokens == config.text[0].max_tokens
    older = replace(config, text=(replace(config.text[0], name="letters", width=256),))
    with pytest.raises(JoVAError, match=r"reads letters \(256 wide\)"):
        MiniTextEncoder.of(older, VOCABULARY)
    with pytest.raises(JoVAError, match="t5-xxl"):
        MiniTextEncoder.check(PRESETS["jova_24b"])


def test_shape_is_what_the_mini_expects():
    spec = PRESETS["mini"].text[0]
    encoder = MiniTextEncoder(VOCABULARY, spec.max_tokens)
    features = encoder.encode([Prompt(transcript="hello"), Prompt()])
    assert features.shape == (2, spec.max_tokens, spec.width)
    assert features.dtype == torch.float32
    assert not features[1].any()  # the empty prompt, guidance's other side, is all zero
    assert not features[0, 4:].any()
    assert features[0, :4].any(dim=1).all()


def test_features_are_pinned(encoder):
    """Weights bake them in: they may never change."""
    row = encoder.features([Token("hello", 2, 1, "HH", 0)])[0]
    assert row[:16].tolist() == [-1, 1, -1, -1, 1, -1, -1, -1, -1, -1, 1, -1, 1, 1, -1, -1]
    assert set(row[:256].tolist()) == {-1.0, 1.0}
    assert row[192:208].tolist() == [-1, -1, -1, 1, -1, -1, -1, -1, 1, 1, -1, -1, -1, 1, -1, 1]
    assert row[256:260].tolist() == [0, 0, 2, 0]
    # Place of the word, then of the sound: sines, then cosines, of 15 wavelengths each.
    first = 2 * torch.pi / 10**0.5
    expected = [torch.tensor(first).sin().item(), torch.tensor(first).cos().item(), 0.0, 1.0]
    assert row[[260, 275, 290, 305]].tolist() == pytest.approx(expected, abs=1e-6)


def test_features_tell_order_part_and_sound_apart(encoder):
    tokens = [
        *(Token("cat", 0, 0), Token("cat", 2, 0, "K"), Token("cat", 2, 1, "K")),
        *(Token("", 2, 1, "K", 0), Token("", 2, 1, "K", 1), Token("", 2, 1, "T", 1)),
    ]
    rows = encoder.features(tokens)[: len(tokens)]
    distances = torch.cdist(rows, rows) + 9 * torch.eye(len(tokens))
    assert distances.min() > 0.5


def test_codes_of_all_words_are_far_apart():
    words = [f"word{i}" for i in range(200)]
    encoder = MiniTextEncoder(Vocabulary((), (), tuple(words)), 200)
    codes = encoder.features([Token(word, 2, 0) for word in words])[:, :192]
    similarity = codes @ codes.T / 192 - 2 * torch.eye(200)
    assert similarity.max() < 0.45


def test_new_words_never_move_old_ones(encoder):
    larger = MiniTextEncoder(
        Vocabulary((), (), ("aardvark", *VOCABULARY.spoken_words)), encoder.max_tokens
    )
    prompt = [Prompt(transcript="dog hello")]
    assert torch.equal(larger.encode(prompt), encoder.encode(prompt))


def test_the_speech_encoder_tells_how_many_sounds_come_before_and_after():
    plain = MiniTextEncoder(VOCABULARY, 16)
    encoder = MiniTextEncoder(VOCABULARY, 16, name="jova-mini-speech")
    prompt = Prompt(video_caption="red", transcript="cat dog")
    tokens = encoder.tokens(prompt)
    assert [(t.before, t.after) for t in tokens if t.sound] == [(n, 5 - n) for n in range(6)]
    assert encoder.width == PRESETS["mini2"].text[0].width
    # The rest is as without it; a caption's word has no such place.
    features = encoder.encode([prompt])[0]
    assert torch.equal(features[:, :320], plain.encode([prompt])[0])
    rows = features[1:7, 320:]
    assert torch.equal(rows[:, :30], rows.flip(0)[:, 30:])
    assert len(rows.unique(dim=0)) == 6
    assert torch.equal(features[0, 320:350], features[0, 350:])


def test_features_cannot_be_spoiled_by_their_user(encoder):
    prompt = [Prompt(transcript="hello")]
    first = encoder.encode(prompt)
    kept = first.clone()
    first.zero_()
    assert torch.equal(encoder.encode(prompt), kept)
