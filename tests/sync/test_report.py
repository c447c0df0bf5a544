import math
import sys
from fractions import Fraction

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mini.samples import load_sample, sample_names
from jova_core.mouth import LipTrack
from jova_core.mouth.landmarks import MODEL_VARIABLE
from jova_core.sync.report import (
    audio_facts,
    judge_sync,
    largest_shift,
    measure_sync,
    sync_table,
    verdict,
)

FRAMES, RATE = 33, 16_000


def voice(seed=0):
    """Noise whose loudness goes up and down at random; float32 [33000]."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.rand(FRAMES, generator=generator).square()
    noise = torch.rand(FRAMES * 1000, generator=generator) * 2 - 1
    return 0.8 * steps.repeat_interleave(1000) * noise


def track(opening, face=30.0):
    found = torch.isfinite(opening)
    return LipTrack(
        boxes=torch.zeros(len(opening), 4),
        opening=opening,
        width=opening,
        face=torch.full((len(opening),), face),
        found=found,
        measured=found,
    )


def lips_for(audio):
    return judge_sync(track(torch.zeros(FRAMES)), audio, RATE, 16).envelope.float() * 12


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (0, "in sync (best match at 0 ms)"),
        (1, "in sync (best match at 62 ms)"),
        (2, "the sound comes 125 ms late"),
        (-3, "the sound comes 188 ms early"),
    ],
)
def test_the_verdict_names_how_late_the_sound_is(shift, words):
    audio = voice()
    clip = judge_sync(track(lips_for(audio)), audio.roll(1000 * shift), RATE, 16)
    assert verdict(clip) == words
    assert clip.offset_ms == pytest.approx(62.5 * shift)
    lines = sync_table(clip).splitlines()
    assert lines[0] == f"Lip-sync  {words}"
    assert "Face      found in 33 of 33 frames" in lines


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (3, "in sync (best match at 100 ms)"),
        (4, "the sound comes 133 ms late"),
        (-1, "in sync (best match at -33 ms)"),
        (-2, "the sound comes 67 ms early"),
    ],
)
def test_more_frames_a_second_make_no_stricter_judge(shift, words):
    """Viewers see times, not frames."""
    audio = voice()
    lips = judge_sync(track(torch.zeros(2 * FRAMES)), audio, RATE, 30).envelope.float() * 12
    clip = judge_sync(track(lips), audio.roll(round(shift * RATE / 30)), RATE, 30)
    assert verdict(clip) == words


def test_rates_of_other_films_count_in_milliseconds():
    audio = voice()
    fps = Fraction(16_000, 1001)
    clip = judge_sync(track(lips_for(audio)), audio.roll(4000), RATE, fps)
    assert clip.offset_ms == pytest.approx(4 * 1001 / 16)


def findings():
    audio = voice()
    lips, nothing = lips_for(audio), torch.full((FRAMES,), math.nan)
    few = nothing.clone()
    few[:5] = lips[:5]
    jitter = 2 + 0.1 * torch.randn(FRAMES, generator=torch.Generator().manual_seed(1))
    tone = torch.sin(torch.arange(FRAMES * 1000) * (2 * math.pi * 440 / RATE))
    other = torch.randn(FRAMES, generator=torch.Generator().manual_seed(5)) + 5
    return {
        "too short to tell: at least 8 frames are needed, not 7": (lips[:7], audio),
        "the sound is silent": (lips, audio * 1e-5),
        "the sound is broken: it holds NaN or infinity": (lips, torch.full_like(audio, math.nan)),
        "no face was found": (nothing, audio),
        "too few faces to tell: at least 8 frames are needed, not 5": (few, audio),
        "the mouth does not move": (jitter, audio),
        "the sound stays the same from frame to frame": (lips, tone),
        "no clear match of lips and voice at any shift": (other, audio),
    }


@pytest.mark.parametrize("words", findings())
def test_what_cannot_be_judged_is_a_finding(words):
    lips, audio = findings()[words]
    clip = judge_sync(track(lips), audio, RATE, 16)
    assert verdict(clip) == words
    assert clip.offset_ms is None
    assert "nan" not in sync_table(clip)


def test_no_sound_at_all_is_silent_and_shorter():
    clip = judge_sync(track(torch.arange(FRAMES) / 9), torch.zeros(0), RATE, 16)
    assert verdict(clip) == "the sound is silent"
    assert sync_table(clip).endswith(
        "0.00 s of sound, 2.06 s of picture: the sound is 2.06 s shorter"
    )


def test_a_track_with_a_gap_is_judged_by_the_rest():
    audio = voice()
    lips = lips_for(audio)
    lips[10:20] = math.nan
    clip = judge_sync(track(lips), audio, RATE, 16)
    assert clip.offset_ms == 0
    assert "found in 23 of 33 frames" in sync_table(clip)


def test_audio_facts_of_known_waves():
    square = torch.cat([torch.ones(8000), -torch.ones(8000), torch.zeros(16_000)]) * 0.5
    facts = audio_facts(square, RATE)
    assert facts.seconds == 2
    assert facts.peak_db == pytest.approx(-6.02, abs=0.01)
    assert facts.rms_db == pytest.approx(-9.03, abs=0.01)
    assert facts.silence == pytest.approx(0.5)
    assert (facts.clipped, facts.broken) == (0, 0)
    loud = torch.tensor([1.0, -1.5, 0.5, math.nan])
    assert audio_facts(loud, RATE).clipped == 0.5
    assert audio_facts(loud, RATE).broken == 1
    assert audio_facts(torch.zeros(0), RATE).peak_db == -math.inf


def test_nothing_but_nan_is_never_called_silent():
    audio = voice()
    table = sync_table(judge_sync(track(lips_for(audio)), audio * math.nan, RATE, 16))
    assert "silent" not in table
    assert "taken as silence: 33000" in table


@pytest.mark.parametrize(("times", "cautious"), [(1, True), (2, False)])
def test_a_match_in_a_short_clip_comes_with_a_caution(times, cautious):
    audio = voice()
    lips = lips_for(audio).repeat(times)
    table = sync_table(judge_sync(track(lips), audio.repeat(times), RATE, 16))
    assert table.startswith("Lip-sync  in sync")
    assert ("by chance" in table) is cautious


def test_broken_and_clipped_sound_is_named():
    audio = voice()
    lips = lips_for(audio)
    audio[5] = math.inf
    audio[700] = 1.2
    table = sync_table(judge_sync(track(lips), audio, RATE, 16))
    assert "taken as silence: 1" in table
    assert "Clipping  less than 0.1% of the samples" in table


def test_three_quarters_of_the_clip_always_overlap():
    assert [largest_shift(f, 16) for f in (3, 8, 20, 33, 500)] == [1, 2, 5, 8, 8]
    assert largest_shift(500, Fraction(24_000, 1001)) == 12


@pytest.mark.parametrize(
    ("audio", "rate", "fps", "words"),
    [
        (torch.zeros(2, 100), RATE, 16, "mono float audio"),
        (torch.zeros(100, dtype=torch.int16), RATE, 16, "mono float audio"),
        (torch.zeros(100), 0, 16, "sample rate 0"),
        (torch.zeros(100), RATE, 0, "frame rate 0"),
        (torch.zeros(100), RATE, math.nan, "frame rate nan"),
    ],
)
def test_input_of_another_kind_gets_a_sentence(audio, rate, fps, words):
    with pytest.raises(JoVAError, match=words):
        measure_sync(torch.zeros(9, 8, 8, 3, dtype=torch.uint8), audio, rate, fps)


def test_a_missing_face_model_or_mediapipe_gets_a_sentence(monkeypatch, landmarker):
    frames, audio = torch.zeros(9, 64, 64, 3, dtype=torch.uint8), torch.zeros(9000)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks", None)
    with pytest.raises(JoVAError, match="install the package mediapipe"):
        measure_sync(frames, audio, RATE, 16, model_path=landmarker)
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)
    with pytest.raises(JoVAError, match=MODEL_VARIABLE):
        measure_sync(frames, audio, RATE, 16)


@pytest.mark.parametrize("name", sample_names())
def test_bundled_characters_are_in_sync_and_shifted_ones_are_not(name, landmarker):
    sample = load_sample(name)
    clip = measure_sync(
        sample.frames, sample.audio, sample.sample_rate, sample.fps, model_path=landmarker
    )
    assert clip.sync.opening > 0.6
    assert verdict(clip).startswith("in sync")
    late = torch.cat([torch.zeros(4000), sample.audio])
    lips = track(clip.lips)
    assert verdict(judge_sync(lips, late, sample.sample_rate, sample.fps)).endswith("ms late")


def test_a_grey_picture_has_no_face(landmarker):
    frames = torch.full((9, 64, 64, 3), 128, dtype=torch.uint8)
    clip = measure_sync(frames, voice()[:9000], RATE, 16, model_path=landmarker)
    assert verdict(clip) == "no face was found"
