"""When each sound of a transcript is spoken, from the phones that a voice speaks."""

from collections.abc import Sequence
from difflib import SequenceMatcher

import torch
from torch import Tensor

from ..people import TimedPhone
from ..text.pronounce import pronounce


def sound_times(transcript: str, phones: Sequence[TimedPhone]) -> Tensor | None:
    """Start and end in seconds of each sound, `[n, 2]` as in `SourceClip`; None for no words.

    The voices read some words otherwise than the dictionary ("and", "every"). As many sounds are
    taken one by one; of others only those that fit have times.
    """
    written = [sound for word in transcript.split() for sound in pronounce(word)]
    if not written:
        return None
    times = torch.full((len(written), 2), torch.nan)
    same = [(0, 0, len(written))]
    if len(written) != len(phones):
        plain = [_plain(written), _plain([phone.name for phone in phones])]
        same = SequenceMatcher(None, *plain, autojunk=False).get_matching_blocks()
    for first, at, count in same:
        for place, phone in enumerate(phones[at : at + count], first):
            times[place] = torch.tensor((phone.start, phone.end))
    return times


def _plain(sounds: Sequence[str]) -> list[str]:
    """Without the digits of stress."""
    return [sound.rstrip("01") for sound in sounds]
