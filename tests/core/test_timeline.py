"""Time is exact: frames, latents and samples agree at every rate; both streams share an axis."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from jova_core.errors import JoVAError
from jova_core.presets import PRESETS
from jova_core.timeline import Timeline

FPS = [Fraction(16), Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001)]
AUDIO = [(16_000, Fraction(125, 4)), (44_100, Fraction(44_100, 1024))]

timelines = st.builds(
    lambda fps, audio, ratio: Timeline(
        fps=fps, sample_rate=audio[0], audio_rate=audio[1], temporal_ratio=ratio
    ),
    st.sampled_from(FPS),
    st.sampled_from(AUDIO),
    st.sampled_from([1, 4, 8]),
)
latent_counts = st.integers(1, 500)


@given(timelines, latent_counts)
def test_frames_and_latents_round_trip(line, latents):
    frames = line.frames(latents)
    assert line.is_legal(frames)
    assert line.video_latents(frames) == latents
    assert line.legal_frames(line.seconds(frames)) == frames


@given(timelines, st.fractions(Fraction(1, 1000), 60, max_denominator=10_000))
def test_legal_frames_is_nearest_and_longer_on_a_tie(line, seconds):
    wanted = seconds * line.fps
    best = line.legal_frames(seconds)
    assert line.is_legal(best)
    longer = best + line.temporal_ratio
    shorter = best - line.temporal_ratio
    assert abs(longer - wanted) > abs(best - wanted)
    if shorter >= 1:
        assert abs(shorter - wanted) >= abs(best - wanted)


def test_a_tie_goes_to_the_longer_clip():
    line = Timeline.of(PRESETS["mini"])
    assert line.legal_frames(Fraction(7, 16)) == 9  # between 5 and 9
    assert line.legal_frames(3) == 49


@given(timelines, latent_counts)
def test_audio_latents_cover_the_pictures_and_no_more(line, latents):
    frames = line.frames(latents)
    count = line.audio_latents(frames)
    assert Fraction(count) / line.audio_rate >= line.seconds(frames)
    assert Fraction(count - 1) / line.audio_rate < line.seconds(frames)


@given(timelines, latent_counts)
def test_audio_samples_are_the_nearest(line, latents):
    frames = line.frames(latents)
    exact = line.seconds(frames) * line.sample_rate
    assert abs(line.audio_samples(frames) - exact) <= Fraction(1, 2)


@given(timelines, st.integers(0, 2000))
def test_each_frame_lies_in_one_latent(line, frame):
    latent = line.latent_of_frame(frame)
    assert line.frames(latent) - line.temporal_ratio < frame + 1 <= line.frames(latent + 1)
    assert line.frames(latent + 1) - line.temporal_ratio <= frame or latent == 0


def test_seconds_stay_fractions():
    line = Timeline(
        fps=Fraction(24000, 1001), sample_rate=44_100, audio_rate=Fraction(44_100, 1024)
    )
    assert line.seconds(24_000) == 1001
    assert isinstance(line.seconds(1), Fraction)
    # A float rate of 23.976 would be 24 frames short here.
    assert line.audio_samples(24_001) == round(Fraction(24_001 * 1001, 24_000) * 44_100)


@given(timelines, st.integers(1, 200))
def test_audio_lies_in_the_exact_middle_of_the_same_video_latent(line, j):
    """With an audio latent for every picture, those of video latent j are centred on j."""
    per_frame = replace(line, audio_rate=line.fps)
    frames = range(line.frames(j), line.frames(j + 1))
    assert {line.latent_of_frame(frame) for frame in frames} == {j}
    positions = per_frame.audio_positions(line.frames(j + 1))[frames.start :].double()
    assert positions.mean().item() == pytest.approx(line.video_positions(j + 1)[j].item(), abs=1e-5)
    assert (positions - j).abs().max() < 0.5


@given(timelines, st.integers(1, 400), st.integers(1, 4))
def test_audio_positions_follow_the_formula(line, tokens, per_token):
    positions = line.audio_positions(tokens * per_token, per_token)
    assert positions.dtype == torch.float32
    assert positions.shape == (tokens,)
    ratio = line.temporal_ratio
    for n in {0, tokens // 2, tokens - 1}:
        t = (Fraction(2 * n + 1, 2) * per_token) / line.audio_rate
        exact = t * line.fps / ratio + Fraction(1, 2) - Fraction(1, ratio)
        assert positions[n].item() == pytest.approx(float(exact), rel=1e-7, abs=1e-7)


def test_latent_zero_stays_at_zero():
    """It covers one frame, whose middle would be 0.375 on the audio's axis; backbones expect 0."""
    line = Timeline.of(PRESETS["jova_3b2"])
    middle = Fraction(1, 2) / line.fps
    assert middle * line.fps / 4 + Fraction(1, 4) == Fraction(3, 8)
    assert line.video_positions(5).tolist() == [0, 1, 2, 3, 4]


@given(timelines, latent_counts)
def test_both_streams_span_the_same_stretch_of_the_axis(line, latents):
    assume(latents > 1)
    frames = line.frames(latents)
    audio = line.audio_positions(line.audio_latents(frames))
    step = float(line.fps / line.audio_rate / line.temporal_ratio)
    end = latents - 0.5  # the last video latent ends half a latent after its middle
    assert end - 0.5 * step - 1e-3 <= audio[-1].item() <= end + 0.5 * step + 1e-3


@given(timelines, st.integers(-20, 400))
def test_illegal_frames_are_refused_with_the_nearest(line, frames):
    assume(not line.is_legal(frames))
    with pytest.raises(JoVAError, match=rf"^Got {frames} frames.* nearest is \d+\.$"):
        line.video_latents(frames)


@pytest.mark.parametrize("seconds", [0, -1, Fraction(-1, 3), math.nan, math.inf, -math.inf])
def test_impossible_lengths_are_refused(seconds):
    with pytest.raises(JoVAError, match="give a length above 0"):
        Timeline.of(PRESETS["mini"]).legal_frames(seconds)


def test_a_very_short_clip_is_one_frame():
    assert Timeline.of(PRESETS["mini"]).legal_frames(1e-9) == 1


def test_timeline_is_the_checkpoints():
    config = PRESETS["mini"]
    slow = replace(config, video=replace(config.video, fps=Fraction(24000, 1001)))
    assert Timeline.of(slow).fps == Fraction(24000, 1001)
    line = Timeline.of(config)
    assert [(line.video_latents(f), line.audio_latents(f)) for f in (33, 49, 65)] == [
        (9, 65),
        (13, 96),
        (17, 127),
    ]
    assert line.audio_samples(49) == 49_000


@given(timelines, st.integers(1, 10_000))
def test_whole_frames_are_the_most_that_fill_latents(line, frames):
    whole = line.whole_frames(frames)
    assert line.is_legal(whole)
    assert whole <= frames < whole + line.temporal_ratio
