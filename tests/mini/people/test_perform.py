from types import SimpleNamespace

import numpy as np
import pytest

from jova_core.errors import JoVAError
from jova_core.mini.people import perform


def phone(name, start, end):
    return SimpleNamespace(name=name, start=start, end=end)


WORDS = [
    phone("M", 0.30, 0.38),
    phone("AY1", 0.38, 0.56),
    phone("B", 0.60, 0.67),
    phone("AA1", 0.67, 0.85),
    phone("P", 0.85, 0.93),
    phone("UW1", 0.93, 1.10),
]


def test_lips_close_on_m_b_p_and_open_on_vowels():
    acted = perform(WORDS, 1.5, 25, 0)
    assert acted.closed.sum() >= 4
    jaw, press = acted.unit("jawOpen"), acted.unit("mouthPressLeft")
    assert jaw[acted.closed].max() < 0.12
    assert press[acted.closed].min() > 0.3
    vowel = round(0.76 * 25)
    assert jaw[vowel] > 0.35
    assert acted.unit("mouthPucker")[round(1.02 * 25)] > 0.4


def test_the_same_seed_gives_the_same_performance_and_another_one_another():
    one, two, other = (perform(WORDS, 1.5, 25, seed) for seed in (4, 4, 5))
    assert np.array_equal(one.units, two.units)
    assert np.array_equal(one.head, two.head)
    assert not np.array_equal(one.head, other.head)


def test_heads_turn_to_20_degrees_at_most_and_hair_follows_late():
    clips = [perform([], 8.0, 25, seed, liveliness=2.0) for seed in range(40)]
    yaw = np.degrees(np.abs(np.concatenate([clip.head[:, 0] for clip in clips])))
    assert 15 < yaw.max() <= 20
    lags = [np.abs(clip.lag - clip.head).max() for clip in clips]
    assert 0.005 < np.median(lags) < 0.2


def test_brows_rise_with_stress():
    rises = []
    for seed in range(12):
        stressed = perform(WORDS, 1.5, 25, seed).unit("browInnerUp")
        flat = [phone(p.name.replace("1", "0"), p.start, p.end) for p in WORDS]
        rises.append((stressed - perform(flat, 1.5, 25, seed).unit("browInnerUp")).max())
    assert min(rises) > 0.05


def test_expressions_differ():
    smile, frown = (perform(WORDS, 1.5, 25, 0, expression=e) for e in ("smiling", "serious"))
    assert (smile.unit("mouthSmileLeft") - frown.unit("mouthSmileLeft")).min() > 0.1
    assert (frown.unit("browDownLeft") - smile.unit("browDownLeft")).min() > 0.1


@pytest.mark.parametrize(
    ("phones", "changes", "message"),
    [
        ([phone("QQ", 0.1, 0.2)], {}, "expected one of ARPAbet's"),
        ([phone("M", 0.3, 0.2)], {}, "in order"),
        ([], {"seconds": 0}, "at least one frame"),
        ([], {"expression": "furious"}, "neutral, smiling, serious"),
    ],
)
def test_wrong_input_is_named(phones, changes, message):
    with pytest.raises(JoVAError, match=message):
        perform(phones, **{"seconds": 1.0, "fps": 25, "rng": 0, **changes})
