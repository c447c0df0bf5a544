"""What is wrong with a sound that is no voice, whether one hears it or not."""

from dataclasses import dataclass

from torch import Tensor

SILENCE = 1e-3  # RMS below -60 dBFS. Ours.
# Share of samples at full scale from which on a sound is a square wave and no voice. Ours.
_SATURATED = 0.5
# A microphone's own offset is below this share of full scale. Ours.
_OFFSET = 0.1


@dataclass(frozen=True, kw_only=True)
class AudioFault:
    """What a sound is instead of a voice, as it follows "the sound is"."""

    words: str
    heard: bool


def audio_fault(audio: Tensor, *, silence: float = SILENCE) -> AudioFault | None:
    """The fault of a finite sound `[..., N]` in -1 ... 1, or None."""
    if not audio.numel():
        return None
    mean = audio.mean(dim=-1, keepdim=True)
    if float((audio - mean).square().mean().sqrt()) < silence:
        offset = float(mean.flatten()[mean.abs().argmax()])
        if abs(offset) < silence:
            return AudioFault(words="silent", heard=False)
        return AudioFault(words=f"constant (each sample is near {offset:.2f})", heard=False)
    if float((audio.abs() >= 0.999).float().mean()) >= _SATURATED:
        return AudioFault(words="at full scale nearly throughout, as if clipped", heard=True)
    return None


def audio_offset(audio: Tensor) -> float:
    """The largest constant part (DC) of a channel of `[C, N]`; 0 where it is a usual small one."""
    means = audio.mean(dim=-1)
    largest = float(means[means.abs().argmax()]) if audio.numel() else 0.0
    return largest if abs(largest) >= _OFFSET else 0.0
