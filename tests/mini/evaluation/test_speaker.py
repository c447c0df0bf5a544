import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mini.evaluation.speaker import nearest, pitch_track, speaker_features


def tone(pitch, seconds=1.0, tilt=1.0):
    """A buzz of 20 harmonics; a larger tilt sounds darker."""
    t = torch.arange(int(16000 * seconds)) / 16000
    k = torch.arange(1, 21)[:, None]
    return 0.05 * ((2 * torch.pi * pitch * k * t).sin() / k**tilt).sum(0)


@pytest.mark.parametrize("pitch", [72.0, 110.0, 200.0, 330.0])
def test_the_pitch_of_a_buzz_is_found(pitch):
    found, voiced = pitch_track(tone(pitch))
    assert voiced[2:-4].all()
    assert float(found[voiced].median()) == pytest.approx(pitch, rel=0.03)


def test_noise_and_silence_have_no_voice():
    noise = torch.randn(16000, generator=torch.Generator().manual_seed(0))
    assert pitch_track(noise)[1].float().mean() < 0.1
    with pytest.raises(JoVAError, match="No voice"):
        speaker_features(torch.zeros(16000))


def test_loudness_does_not_matter_and_timbre_does():
    quiet, loud = (speaker_features(gain * tone(120)) for gain in (0.3, 1.0))
    bright = speaker_features(tone(120, tilt=0.3))
    assert (quiet - loud).norm() < 0.3 * (bright - loud).norm()


def test_the_nearest_speaker_is_told():
    speakers = {"a": torch.tensor([7.0, 0, 0]), "b": torch.tensor([7.1, 5, 0])}
    assert nearest(torch.tensor([7.3, 1.0, 0]), speakers, torch.tensor([0.1, 3, 3])) == "b"
    assert nearest(torch.tensor([7.0, 1.0, 0]), speakers, torch.tensor([0.1, 3, 3])) == "a"
