"""Which loudspeaker each channel of a sound is for, and its mix to mono.

C sound channels, N samples.
"""

import functools
import re

import torch
from torch import Tensor

from .ffmpeg import run_ffmpeg

# BS.775 gives the surround channels 3 dB less than the front; a voice in the centre, or equally in
# both front channels, keeps its level. The low-frequency channel is no part of a mix.
_FRONT, _CENTRE, _AROUND = 0.5, 1.0, 0.5 * 0.7071
_WEIGHTS = {"FC": _CENTRE, "FL": _FRONT, "FR": _FRONT, "LFE": 0.0, "LFE2": 0.0}
# Below -40 dB of the loudest, a channel holds what leaked in and no part of the sound. Ours.
_LEAKAGE = 0.01
# Mono this far below its channels has been cancelled: about -26 dB. Ours.
_CANCELLED = 0.05


def channel_names(layout: str) -> tuple[str, ...]:
    """`FL`, `FR`, … in the order of a layout that ffmpeg names ("5.1"); "" for each unknown one."""
    listed = re.search(r"\((\w+(?:\+\w+)+)\)", layout)
    counted = re.match(r"(\d+) channels", layout)
    if listed:
        return tuple(listed[1].split("+"))
    if layout in _layouts():
        return _layouts()[layout]
    # Ambisonics of order n has (n + 1)^2 channels.
    sphere = re.match(r"ambisonic (\d+)", layout)
    count = (int(sphere[1]) + 1) ** 2 if sphere else int(counted[1]) if counted else 1
    return ("",) * count


@functools.cache
def _layouts() -> dict[str, tuple[str, ...]]:
    """Every layout that this ffmpeg knows."""
    text = run_ffmpeg(["-v", "error", "-layouts"]).stdout.decode("ascii", "replace")
    rows = re.findall(r"^(\S+)\s+(\w+(?:\+\w+)*)\s*$", text.partition("Standard")[2], re.MULTILINE)
    return {name: tuple(parts.split("+")) for name, parts in rows if name != "NAME"}


def mix_to_mono(audio: Tensor, names: tuple[str, ...] = ()) -> tuple[Tensor, tuple[str, ...]]:
    """float32 `[C, N]` → `[N]` and what there is to say of it.

    A sound in one channel alone keeps its level; so does one in the centre of surround sound.
    Channels that cancel each other are not mixed: the loudest is taken.
    """
    if len(audio) == 1:
        return audio[0], ()
    levels = audio.square().mean(dim=1).sqrt()
    sounding = levels > _LEAKAGE * levels.max()
    if not sounding.any():
        return audio[0], ()
    if len(audio) > 2 and len(names) == len(audio) and all(names) and sounding.sum() > 1:
        weights = torch.tensor([_WEIGHTS.get(name, _AROUND) for name in names])
    else:
        weights = sounding / sounding.sum()
    mono = weights.to(audio.dtype) @ audio
    if mono.square().mean().sqrt() < _CANCELLED * (weights * levels).max():
        words = "two channels are" if len(audio) == 2 else "channels are"
        note = f"its {words} in antiphase and cancel each other in mono; the louder one is used"
        return audio[int(levels.argmax())], (note,)
    return mono, ()
