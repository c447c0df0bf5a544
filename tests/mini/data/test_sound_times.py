"""When each sound of a transcript is spoken."""

import torch

from jova_core.mini.data.people_clips import Heard
from jova_core.mini.data.sound_times import sound_times


def test_the_times_of_sounds_are_those_of_the_phones():
    def spoken(*names):
        return [Heard(name, i / 10, (i + 1) / 10) for i, name in enumerate(names)]

    assert sound_times("", ()) is None
    # One by one, though the stress and a vowel of "and" are others in the dictionary.
    times = sound_times("my and", spoken("M", "AY0", "AE1", "N", "D"))
    torch.testing.assert_close(times[:, 0], torch.arange(5) / 10)
    torch.testing.assert_close(times[:, 1], torch.arange(1, 6) / 10)
    # "really" of five sounds, where the dictionary has R IH L IY: its vowel fits none.
    times = sound_times("really cat", spoken("R", "IY1", "AH0", "L", "IY0", "K", "AE1", "T"))
    expected = torch.tensor((0.0, torch.nan, 0.3, 0.4, 0.5, 0.6, 0.7))
    torch.testing.assert_close(times[:, 0], expected, equal_nan=True)
