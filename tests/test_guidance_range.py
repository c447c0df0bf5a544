"""Guidance between two noise levels: which steps are guided, and what they cost."""

from dataclasses import replace

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mini import load_pipeline
from jova_core.pipeline import SampleSettings, sample
from jova_core.prompt import Prompt

PROMPT = Prompt(video_caption="a tan face", transcript="hello")
OFF = (0.0, 0.0)


@pytest.fixture(scope="module")
def pipeline():
    return load_pipeline()


def made(pipeline, **changes):
    """Latents, and how many samples the network saw in each step."""
    seen = []

    class Counted:
        config = pipeline.config

        def __call__(self, x, *rest):
            seen.append(0 if x.video is None else x.video.shape[0])
            return pipeline.model(x, *rest)

    settings = SampleSettings(steps=6, **changes)
    return sample(replace(pipeline, model=Counted()), PROMPT, 17, settings), seen


def test_steps_outside_cost_one_pass(pipeline):
    whole, passes = made(pipeline)
    assert passes == [2] * 6
    part, passes = made(pipeline, cfg_video_range=(0.7, 1), cfg_audio_range=(0.7, 1))
    assert passes[0] == 2
    assert passes[-1] == 1
    assert sorted(passes, reverse=True) == passes
    assert (whole.video - part.video).abs().max() > 1e-3


def test_nowhere_is_no_guidance_at_all(pipeline):
    plain, _ = made(pipeline, cfg_video=1, cfg_audio=1)
    nowhere, passes = made(pipeline, cfg_video_range=OFF, cfg_audio_range=OFF)
    assert passes == [1] * 6
    assert torch.equal(plain.video, nowhere.video)
    assert torch.equal(plain.audio, nowhere.audio)


def test_each_stream_has_its_own(pipeline):
    _, passes = made(pipeline, cfg_video_range=OFF)
    assert passes == [2] * 6, "the sound is still guided"
    one, _ = made(pipeline, cfg_video_range=OFF, cfg_audio=1)
    other, _ = made(pipeline, cfg_video=1, cfg_audio=1)
    assert torch.equal(one.video, other.video)


@pytest.mark.parametrize("wrong", [(0.5, 0.2), (-0.1, 1), (0, 1.5)])
def test_a_wrong_range_is_named(wrong):
    with pytest.raises(JoVAError, match="two rising values"):
        SampleSettings(cfg_audio_range=wrong)


def test_the_sound_guided_by_a_pass_of_its_own(pipeline):
    """Where only the sound is guided: one pass of everything and one of the voice alone."""
    part = {"cfg_video_range": (0.7, 1)}
    whole, passes = made(pipeline, **part)
    assert passes == [2] * 6
    alone, passes = made(pipeline, **part, cfg_audio_alone=True)
    assert passes[0] == 2
    assert passes[-2:] == [1, 0]
    assert (whole.audio - alone.audio).abs().max() > 1e-3
    everywhere, _ = made(pipeline, cfg_audio_alone=True)
    both, _ = made(pipeline)
    assert torch.equal(everywhere.audio, both.audio), "both guided: the joint pass serves both"


def test_cached_steps_cost_nothing(pipeline):
    every, passes = made(pipeline, cache=1e-6)
    assert passes == [2] * 6
    some, passes = made(pipeline, cache=0.9)
    assert passes == [2] * len(passes)
    assert len(passes) < 6
    assert (every.video - some.video).abs().max() > 1e-4
