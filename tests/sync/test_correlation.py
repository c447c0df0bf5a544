import math

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mini.evaluation.shuffle import shuffled_controls
from jova_core.mouth import LipTrack
from jova_core.sync.correlation import (
    best_offset,
    speech_envelope,
    sync_report,
    zero_lag_correlation,
)


def track(length=49, seed=0):
    noise = torch.randn(length + 4, generator=torch.Generator().manual_seed(seed))
    return noise.unfold(0, 5, 1).mean(dim=1)


def test_the_envelope_is_loudness_at_the_right_frame():
    wave = torch.zeros(33_000)
    wave[10_000:11_000] = 0.5
    envelope = speech_envelope(wave, 16_000, 16, 33)
    assert envelope.shape == (33,)
    assert int(envelope.argmax()) == 10
    assert envelope[[0, 8, 12, 32]].tolist() == [0, 0, 0, 0]
    floor = 1e-6**0.3
    expected = ((0.25 / 2) ** 0.3 - floor) / (1 - floor)
    assert float(envelope[10]) == pytest.approx(expected)
    assert speech_envelope(torch.ones(33_000), 16_000, 16, 33)[5] == pytest.approx(1)
    assert speech_envelope(torch.full((33_000,), 9e-4), 16_000, 16, 33).max() == 0


def test_an_envelope_of_short_missing_or_stereo_audio():
    assert speech_envelope(torch.ones(1_000), 16_000, 16, 33)[2:].max() == 0
    assert speech_envelope(torch.full((33_000,), float("nan")), 16_000, 16, 33).max() == 0
    with pytest.raises(JoVAError, match="mono"):
        speech_envelope(torch.zeros(2, 100), 16_000, 16, 1)


def test_frame_edges_of_odd_rates_do_not_drift():
    wave = torch.zeros(44_100 * 4)
    wave[-500:] = 1
    envelope = speech_envelope(wave, 44_100, 23.976, 96)
    assert int(envelope.argmax()) == 95


def test_correlation_of_known_frames_only():
    mouth, voice = track(), 3 * track() + 2
    assert zero_lag_correlation(mouth, voice) == pytest.approx(1)
    mouth[4] = float("nan")
    voice[4] = 1e6
    assert zero_lag_correlation(mouth, voice) == pytest.approx(1)
    assert math.isnan(zero_lag_correlation(torch.ones(49), voice))
    assert math.isnan(zero_lag_correlation(mouth[:7], voice[:7]))


@pytest.mark.parametrize("late", [-8, -3, 0, 1, 5])
def test_a_positive_offset_means_that_audio_comes_later(late):
    long = track(80)
    picture, audio = long[16:65], long[16 - late : 65 - late]
    offset, value = best_offset(picture, audio)
    assert offset == late
    assert value == pytest.approx(1)


def test_the_offset_of_a_still_mouth_is_unknown():
    assert best_offset(torch.zeros(49), track())[0] is None


def test_shuffles_of_unrelated_clips_are_near_zero_and_of_equal_length_only():
    mouths = [track(49, i) for i in range(20)] + [track(33, 100 + i) for i in range(20)]
    controls = shuffled_controls(mouths, mouths, n=50, seed=1)
    assert controls.means.shape == (50,)
    assert controls.clips == 40
    assert abs(controls.mean) < 0.15
    assert controls.mean < controls.p95 < 0.3
    again = shuffled_controls(mouths, mouths, n=50, seed=1)
    assert torch.equal(controls.means, again.means)


def test_constant_unknown_and_lonely_tracks_are_left_out_and_counted():
    usual = [track(49, i) for i in range(3)]
    still, unseen, lonely = torch.ones(49), torch.full((49,), float("nan")), track(65)
    mouths = [*usual, still, unseen, lonely]
    voices = [*usual, usual[0], usual[1], lonely]
    controls = shuffled_controls(mouths, voices, n=10)
    assert (controls.clips, controls.excluded) == (3, 3)
    assert not controls.means.isnan().any()
    nothing = shuffled_controls([lonely], [lonely])
    assert nothing.clips == 0
    assert math.isnan(nothing.mean)


def test_the_report_of_one_clip():
    mouth = track()
    found = torch.ones(49, dtype=torch.bool)
    lips = LipTrack(
        boxes=torch.zeros(49, 4),
        opening=mouth,
        width=-mouth,
        face=torch.ones(49),
        found=found,
        measured=found,
    )
    report = sync_report(lips, mouth)
    assert report.opening == pytest.approx(1)
    assert report.width == pytest.approx(-1)
    assert report.offset_frames == 0
    assert report.face_share == 1
