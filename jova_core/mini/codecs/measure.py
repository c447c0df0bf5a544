"""What codecs do wrong, in figures: seams between blocks, a buzz at the vocoder's hop rate."""

import torch
import torch.nn.functional as F
from torch import Tensor

# The envelope is taken every ms over 4 ms; the buzz stands out from modulations this near it (Hz).
ENVELOPE_HOP, ENVELOPE_WINDOW = 16, 64
NEAR, BESIDE = 1.5, (4.0, 12.0)
# Frames softer than this share of the loudest are no speech.
SPEECH_SHARE = 0.02


def seams(frames: Tensor, period: int) -> float:
    """Mean gradient on the borders of blocks of `period` px over that inside them; 1 is unseen.

    frames: uint8 or float `[F, H, W, 3]`, the blocks beginning in the corner.
    """
    borders, inside = [], []
    for axis in (1, 2):
        steps = frames.float().diff(dim=axis).abs().movedim(axis, 0).flatten(1).mean(1)
        border = torch.arange(1, len(steps) + 1) % period == 0
        borders.append(steps[border])
        inside.append(steps[~border])
    return float(torch.cat(borders).mean() / torch.cat(inside).mean().clamp(min=1e-6))


def hop_buzz(wave: Tensor, *, sample_rate: int = 16000, hop: int = 256) -> float:
    """How far (dB) the loudness of `[N]` moves more at the hop rate (62.5 Hz) than beside it.

    About 0 for a voice; a vocoder whose frames do not join shows some dB.
    """
    power = F.avg_pool1d(wave.square()[None, None], ENVELOPE_WINDOW, ENVELOPE_HOP)[0, 0]
    rate, level = sample_rate / ENVELOPE_HOP, power.clamp(min=1e-12)
    level = torch.where(level > SPEECH_SHARE * level.max(), level, SPEECH_SHARE * level.max())
    moves = level.log() - level.log().mean()
    size = torch.fft.rfft(moves * torch.hann_window(len(moves))).abs().square()
    away = (torch.arange(len(size)) * rate / len(moves) - sample_rate / hop).abs()
    near, beside = away <= NEAR, (away >= BESIDE[0]) & (away <= BESIDE[1])
    if not (near.any() and beside.any()):
        return float("nan")
    return float(10 * torch.log10((size[near].mean() + 1e-9) / (size[beside].mean() + 1e-9)))
