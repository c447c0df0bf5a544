"""Checks and length rule for what is about to be written."""

from fractions import Fraction

import torch
from torch import Tensor

from ..errors import JoVAError
from .faults import audio_fault, audio_offset
from .frames import FrameStream

MAX_SCALE = 16
_MAX_CHANNELS = 8


def check_clip(
    frames: Tensor | FrameStream, fps: Fraction | int, scale: int
) -> tuple[FrameStream, Fraction]:
    """Return uint8 frames and the exact rate, or raise JoVAError; a stream's chunks come later."""
    if not isinstance(frames, FrameStream):
        frames = FrameStream.of(_check_frames(frames))
    if min(frames.count, frames.height, frames.width) < 1:
        shape = [frames.count, frames.height, frames.width, 3]
        raise JoVAError(f"The video stream {shape} is empty; give at least one frame.")
    if isinstance(fps, bool) or not isinstance(fps, int | Fraction) or not 0 < fps <= 1000:
        raise JoVAError(
            f"The frame rate {fps!r} is not possible; "
            "give a whole number or a Fraction from 1 to 1000."
        )
    if isinstance(scale, bool) or not isinstance(scale, int) or not 1 <= scale <= MAX_SCALE:
        raise JoVAError(
            f"The enlargement {scale!r} is not possible; give a whole number from 1 to {MAX_SCALE}."
        )
    return frames, Fraction(fps)


def _check_frames(frames: Tensor) -> Tensor:
    """Return uint8 frames [F, H, W, 3] on the CPU, or raise JoVAError."""
    frames = torch.as_tensor(frames).detach().cpu()
    if frames.is_floating_point() and not torch.isfinite(frames).all():
        raise JoVAError(
            "The video stream holds NaN or infinite pixels; nothing was written: "
            "look for the step that made them (an overflow in half precision, a wrong VAE)."
        )
    if frames.dtype != torch.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise JoVAError(
            f"The video stream is {frames.dtype} {list(frames.shape)}; "
            "it must be uint8 [frames, height, width, 3]."
        )
    return frames


def check_audio(audio: Tensor, sample_rate: int, notes: list[str]) -> Tensor | None:
    """Return float32 [C, N] within +-1 on the CPU, or raise JoVAError.

    Clipping goes to `notes`. None, with a note, for NaN: the pictures beside it are not lost.
    """
    audio = torch.as_tensor(audio).detach().cpu()
    if not audio.is_floating_point() or audio.ndim not in (1, 2):
        raise JoVAError(
            f"The audio stream is {audio.dtype} {list(audio.shape)}; "
            "it must be float [samples] or [channels, samples]."
        )
    audio = torch.atleast_2d(audio.to(torch.float32))
    check_channels(audio.shape[0])
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, int) or sample_rate < 1:
        raise JoVAError(
            f"The sample rate {sample_rate!r} is not possible; "
            "give a whole number of Hz, such as 16000."
        )
    if not torch.isfinite(audio).all():
        notes.append(
            "The sound holds NaN or infinite samples, so the pictures were saved without it: "
            "look for the step that made them (an overflow in half precision, a wrong VAE)."
        )
        return None
    beyond = int((audio.abs() > 1).sum())
    if beyond:
        peak = float(audio.abs().max())
        notes.append(
            f"The sound went beyond full scale (peak {peak:.2f}); {beyond} samples were clipped."
        )
    return audio.clamp(-1, 1)


def check_channels(count: int) -> None:
    """JoVAError for a number of channels that no recipe holds."""
    if not 1 <= count <= _MAX_CHANNELS:
        raise JoVAError(
            f"The audio stream has {count} channels; 1 to {_MAX_CHANNELS} are allowed, in the "
            "order [channels, samples]. Mix it down to stereo first."
        )


def fit_length(audio: Tensor, samples: int, sample_rate: int, notes: list[str]) -> Tensor:
    """Cut [C, N] at its end, or pad it there with silence, to `samples`; says so in `notes`."""
    extra = audio.shape[-1] - samples
    if extra > 0:
        notes.append(
            f"The sound was {extra / sample_rate:.3f} s longer than the video and was cut."
        )
        return audio[:, :samples]
    if extra < 0:
        notes.append(
            f"The sound was {-extra / sample_rate:.3f} s shorter than the video; "
            "silence follows it."
        )
    return torch.nn.functional.pad(audio, (0, -extra))


def note_faults(audio: Tensor, notes: list[str]) -> None:
    """Name a sound [C, N] that nobody hears although it is not silent, or that has an offset."""
    fault, offset = audio_fault(audio), audio_offset(audio)
    if fault is not None and fault.words != "silent":
        unheard = "" if fault.heard else ", so nothing is heard"
        notes.append(f"The sound is {fault.words}{unheard}.")
    elif offset:
        notes.append(
            f"The sound has a constant part (DC) of {offset:.2f}; it takes loudness away and is "
            "heard as a click where the sound begins."
        )
