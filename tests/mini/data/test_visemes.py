import numpy as np

from jova_core.mini.data import visemes
from jova_core.mini.data.speech import SAMPLE_RATE, Phoneme

FPS, FRAMES = 16, 33


def track(parts, level=0.2):
    """The mouth for (name, start, end) parts over a tone that sounds during them."""
    samples = np.zeros(FRAMES * 1000)
    phonemes = [Phoneme(name=n, start=s, end=e) for n, s, e in parts]
    for p in phonemes:
        at = np.arange(round(p.start * SAMPLE_RATE), round(p.end * SAMPLE_RATE))
        samples[at] = level * np.sin(at * 0.1)
    return visemes.mouth_track(phonemes, samples, FRAMES, FPS)


def shown_at(seconds):
    return int(seconds * FPS)


def test_at_least_six_shapes_differ_visibly():
    shapes = {visemes.shapes_of(name)[0] for name in ("m", "n", "a", "i:", "u:", "f", "l", "O:")}
    assert len(shapes) == 8


def test_lips_are_closed_in_silence_and_on_m():
    mouth = track([("a", 0.5, 0.8), ("m", 0.8, 0.95), ("a", 0.95, 1.25)])
    times = visemes.frame_times(FRAMES, FPS)
    assert (mouth.opening[(times < 0.5) | (times >= 1.25)] == 0).all()
    assert (mouth.opening[(times >= 0.8) & (times < 0.95)] == 0).all()
    assert mouth.opening[shown_at(0.65)] > 0.6
    assert mouth.opening[shown_at(1.1)] > 0.6


def test_a_short_p_between_frames_still_closes_the_lips():
    # The p lies between the middles of two frames; the frame that holds its middle closes.
    start = (10 + 0.6) / FPS
    mouth = track([("a", 0.3, start), ("p", start, start + 0.02), ("i", start + 0.02, 1.1)])
    assert mouth.opening[10] == 0
    assert mouth.opening[9] > 0.2


def test_shapes_follow_the_phonemes():
    mouth = track([("i:", 0.2, 0.6), ("u:", 0.6, 1.0), ("f", 1.0, 1.3)])
    assert mouth.width[shown_at(0.4)] > 0.9
    assert mouth.width[shown_at(0.8)] < 0.1
    assert mouth.bite[shown_at(1.15)] > 0.9
    assert mouth.bite[shown_at(0.4)] < 0.1


def test_diphthong_moves_between_two_shapes():
    mouth = track([("aI", 0.5, 1.1)])
    assert mouth.opening[shown_at(0.6)] > 1.3 * mouth.opening[shown_at(1.0)]
    assert mouth.width[shown_at(1.0)] > mouth.width[shown_at(0.6)] + 0.2


def test_quiet_parts_open_less():
    samples = np.zeros(FRAMES * 1000)
    samples[8000:12000] = 0.3 * np.sin(np.arange(4000) * 0.1)
    samples[12000:16000] = 0.06 * np.sin(np.arange(4000) * 0.1)
    phonemes = [Phoneme(name="a", start=0.5, end=1.0)]
    mouth = visemes.mouth_track(phonemes, samples, FRAMES, FPS)
    assert mouth.opening[shown_at(0.65)] > 1.5 * mouth.opening[shown_at(0.85)]


def test_silence_is_a_closed_mouth():
    mouth = visemes.mouth_track([], np.zeros(FRAMES * 1000), FRAMES, FPS)
    assert (mouth.opening == 0).all()
    assert np.isfinite(mouth.loudness).all()
