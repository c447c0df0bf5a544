"""Change of sample rate by a windowed sinc, in plain torch."""

import math

import torch
from torch import Tensor

# Zero crossings of the sinc on each side; 32 puts everything above the passband below -80 dB.
_CROSSINGS = 32
# Share of the lower rate's band that passes; the rest is the filter's slope.
_PASSBAND = 0.94
_KAISER_BETA = 9.0
_CHUNK = 1 << 16


def resample(audio: Tensor, rate: int, new_rate: int) -> Tensor:
    """Return float32 `audio` [..., N] at `rate` Hz as [..., ceil(N * new_rate / rate)].

    Sample 0 stays at time 0; outside the given samples the sound is silence.
    """
    if rate == new_rate or audio.shape[-1] == 0:
        return audio.to(torch.float32)
    common = math.gcd(rate, new_rate)
    step, phases = rate // common, new_rate // common
    table, reach = _filter_table(step, phases)
    padded = torch.nn.functional.pad(audio.to(torch.float32), (reach, reach + 1))
    count = -(-audio.shape[-1] * phases // step)
    taps = torch.arange(table.shape[1])
    parts = []
    for start in range(0, count, _CHUNK):
        positions = torch.arange(start, min(start + _CHUNK, count)) * step
        indices = (positions // phases)[:, None] + taps
        parts.append((padded[..., indices] * table[positions % phases]).sum(-1))
    return torch.cat(parts, dim=-1)


def _filter_table(step: int, phases: int) -> tuple[Tensor, int]:
    """Return one row of taps per output phase [phases, 2 * reach + 2] and the reach in samples."""
    cutoff = _PASSBAND * min(1.0, phases / step)
    half_width = _CROSSINGS / cutoff
    reach = math.ceil(half_width)
    offsets = torch.arange(-reach, reach + 2, dtype=torch.float64)
    phase = torch.arange(phases, dtype=torch.float64)[:, None] / phases
    distance = offsets[None] - phase
    inside = (1 - (distance / half_width) ** 2).clamp_min(0)
    window = torch.special.i0(_KAISER_BETA * inside.sqrt())
    window = window / torch.special.i0(torch.tensor(_KAISER_BETA, dtype=torch.float64))
    window = window * (distance.abs() <= half_width)
    taps = torch.sinc(cutoff * distance) * window
    # Each phase passes a constant unchanged, so that no tone at the phase rate appears.
    return (taps / taps.sum(1, keepdim=True)).to(torch.float32), reach
