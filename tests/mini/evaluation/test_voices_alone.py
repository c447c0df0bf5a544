"""The audio branch by itself: phrases of the plan as waves of their length, judged by words."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from jova_core.codecs import Codecs
from jova_core.mini.data.people_words import people_vocabulary
from jova_core.mini.evaluation import voices_alone
from jova_core.mini.evaluation.voices_alone import evaluate_voices, lines_to_say, say
from jova_core.mini.text.encoder import MiniTextEncoder
from jova_core.mini.voices.cache import Utterance, write_plan
from jova_core.pipeline import JoVAPipeline, SampleSettings
from jova_core.presets import PRESETS

SAID = ("good morning", "we see the door", "you", " ".join(["wonderful"] * 9))


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices")
    plan = {
        str(n): Utterance(
            split="heldout" if n else "train",
            voice="kore",
            words=tuple(text.split()),
            text=text.capitalize() + ".",
            tempo=1.0,
        )
        for n, text in enumerate(("a", *SAID))
    }
    write_plan(folder, plan)
    return lines_to_say(folder, "heldout", 10)


def test_phrases_of_the_split_that_fit_in_a_clip(lines):
    assert [" ".join(line.words) for line in lines] == list(SAID[:3])
    assert lines[0].phones[:3] == ["G", "UH", "D"]
    assert lines[0].frames >= lines[2].frames == 25
    assert all(" woman " in line.prompt.video_caption for line in lines)


class Echo:
    """An audio codec whose waves are the first channel of its latents."""

    def decode(self, latent):
        return latent[:, 0].repeat_interleave(512, 1)


def test_each_line_is_a_wave_of_its_length_and_of_its_own_words(lines, tiny_model):
    config = replace(
        PRESETS["mini2"], dim=32, heads=2, rope_axes=(8, 4, 4), single_blocks=1, time_width=16
    )
    pipeline = JoVAPipeline(
        model=tiny_model(config),
        codecs=Codecs(video=None, audio=Echo(), stats=None),
        encoders=(MiniTextEncoder.of(config, people_vocabulary()),),
    )
    settings = SampleSettings(steps=2, seed=3)
    waves = say(pipeline, lines, settings)
    rates = pipeline.timeline
    assert [len(w) for w in waves] == [512 * rates.audio_latents(line.frames) for line in lines]
    assert all(np.abs(wave).max() <= 1 for wave in waves)
    again = say(pipeline, lines, settings)
    np.testing.assert_array_equal(waves[0], again[0])
    prompt = replace(lines[0].prompt, transcript="You see me.")
    other = say(pipeline, [replace(lines[0], prompt=prompt), *lines[1:]], settings)
    assert np.abs(waves[0] - other[0]).max() > 1e-3


def test_silence_says_nothing_and_right_words_count(lines, monkeypatch):
    heard = {1: lines[0].words, 2: ["no"]}
    judges = {
        "heard_words": lambda wave: heard[int(wave[0])],
        "heard_phonemes": lambda _: lines[0].phones,
        "naturalness": lambda _: 4.0,
    }
    for name, judge in judges.items():
        monkeypatch.setattr(voices_alone, name, judge)
    waves = [np.full(100, float(n)) for n in (1, 2, 0)]
    seen = SimpleNamespace(count=0)
    figures = evaluate_voices(
        lines, waves, progress=lambda done, total: setattr(seen, "count", (done, total))
    )
    wanted = sum(len(line.words) for line in lines)
    assert figures["words"] == pytest.approx(2 / wanted)
    assert figures["phoneme_errors"] > 0
    assert figures["naturalness"] == 4.0
    assert figures["heard"] == ["good morning", "no", ""]
    assert seen.count == (3, 3)
    assert torch.tensor(figures["words_shuffled"]) < 0.5
