"""Channel layouts under which encoders keep every channel, in its order.

C audio channels, N samples. Each line was measured: a tone in every channel, written and read back
by imageio-ffmpeg's program (tests/media/test_channels.py).
"""

import torch
from torch import Tensor

_LAYOUTS = dict(enumerate(("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"), 1))
# ffmpeg's AAC encoder swaps the channels of 6.1, and of the low-frequency one it keeps the lowest
# notes only; these have none.
_AAC = _LAYOUTS | {7: "7.0"}
_AAC_WITHOUT_LOW = {6: "hexagonal", 8: "octagonal"}
_LOW_CHANNEL = 3  # of 5.1 and 7.1
_LOW_HERTZ = 250  # what is above it is no low-frequency channel's; ours
# Its Opus encoder swaps channels of these counts, unless they are said to have no places at all.
_OPUS_PLACELESS = (5, 7)


def layout_arguments(codec: str, audio: Tensor, sample_rate: int) -> tuple[str, list[str]]:
    """ffmpeg's layout for `audio` [C, N] and further arguments of the encoder `codec`."""
    count = len(audio)
    if codec == "aac":
        low = count not in _AAC_WITHOUT_LOW or _is_low(audio[_LOW_CHANNEL], sample_rate)
        return _AAC[count] if low else _AAC_WITHOUT_LOW[count], []
    if codec == "libopus" and count in _OPUS_PLACELESS:
        return _LAYOUTS[count], ["-mapping_family", "255"]
    return _LAYOUTS[count], []


def _is_low(channel: Tensor, sample_rate: int) -> bool:
    """Whether all but a hundredth of the power of a channel [N] is low, as in a film's rumble."""
    power = torch.zeros(())
    high = torch.zeros(())
    for block in channel.split(1 << 16):
        spectrum = torch.fft.rfft(block).abs().square()
        first = int(_LOW_HERTZ * len(block) / sample_rate) + 1
        power, high = power + spectrum.sum(), high + spectrum[first:].sum()
    return bool(high <= 0.01 * power)
