import math

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mini.evaluation.features import augmented, features
from jova_core.mini.evaluation.fitting import same_length_batches
from jova_core.mini.evaluation.recogniser import train_recogniser
from jova_core.mini.evaluation.words import words_right

WORDS = ("low", "mid", "high", "rise")
TONES = {"low": (300, 300), "mid": (900, 900), "high": (2500, 2500), "rise": (400, 3000)}


def spoken(words, seconds=2.0):
    """A wave in which every word is a tone of 0.3 s; `rise` sweeps."""
    wave = torch.zeros(int(16_000 * seconds))
    time = torch.arange(4_800) / 16_000
    for i, word in enumerate(words):
        start, stop = TONES[word]
        phase = 2 * math.pi * (start * time + (stop - start) * time**2 / 0.6)
        wave[1_600 + 8_000 * i :][:4_800] = 0.2 * phase.sin()
    return wave


def said(count, seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 4, (count,), generator=generator).tolist()
    return [[WORDS[int(i)] for i in torch.randint(4, (n,), generator=generator)] for n in lengths]


def trained(steps):
    lines = said(60, 0)
    mels = [features(spoken(line)[None])[0] for line in lines]
    transcripts = [" ".join(line) for line in lines]
    return train_recogniser(mels, transcripts, words=WORDS, steps=steps, batch=12, seed=1)


def test_features_have_one_frame_for_every_256_samples_and_bear_nan():
    mels = features(torch.full((2, 33_000), float("nan")))
    assert mels.shape == (2, 80, 129)
    assert mels.isfinite().all()


def test_augmentation_depends_on_the_generator_only():
    mels = features(spoken(["mid"])[None])
    first, second = (augmented(mels, torch.Generator().manual_seed(4)) for _ in range(2))
    other = augmented(mels, torch.Generator().manual_seed(5))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert first.shape == mels.shape


def test_batches_hold_clips_of_one_length():
    mels = [torch.zeros(80, 10 + i % 2) for i in range(9)]
    batches = same_length_batches(mels, 3, torch.Generator().manual_seed(0))
    for _ in range(10):
        chosen = next(batches)
        assert len({mels[i].shape for i in chosen}) == 1
        assert len(set(chosen)) == len(chosen) == 3


def test_the_recogniser_learns_words_order_and_count():
    model = trained(90)
    lines = [*said(12, 7), []]
    heard = model.recognise([spoken(line) for line in lines])
    assert words_right(lines, heard) > 0.9
    assert heard[-1] == []


def test_training_is_the_same_for_the_same_seed_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    first, second = trained(2), trained(2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_a_transcript_with_an_unknown_word_gets_a_sentence():
    with pytest.raises(JoVAError, match="banana"):
        train_recogniser([torch.zeros(80, 60)], ["low banana"], words=WORDS, steps=1)
