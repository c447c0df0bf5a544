"""Sound as tensors, by libsndfile or else by ffmpeg.

C sound channels, N samples.
"""

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from ..errors import JoVAError
from ..files import existing_file
from .channels import mix_to_mono
from .ffmpeg import clock_arguments, ffmpeg_reason, input_arguments, run_ffmpeg
from .probe import probe
from .resample import resample

AUDIO_FORMATS = "a sound file (.wav, .flac, .ogg, .mp3, .m4a) or a video with sound"
_SNDFILE_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"}
_BLOCK = 1 << 20  # samples read at a time
# Headers of streams claim lengths such as 2^63 - 1; nobody has a year of sound. Ours.
_MOST_SECONDS = 366 * 86_400


@dataclass(frozen=True, kw_only=True)
class Audio:
    """A sound as stored, and as one channel."""

    samples: Tensor  # float32 [C, N]
    sample_rate: int  # Hz
    mono: Tensor  # float32 [N], at the same rate
    notes: tuple[str, ...] = ()  # what there is to say of the mix: "its two channels ..."


def load_audio(path: str | Path, *, max_seconds: Fraction | float | None = None) -> Audio:
    """Read the sound of a file, or of a video's default track, of it the first `max_seconds`.

    Where it starts later than the pictures, silence stands in front. Raises JoVAError.
    """
    path = existing_file(path, "sound", AUDIO_FORMATS)
    found = None
    if path.suffix.lower() in _SNDFILE_SUFFIXES:
        found = _decode_sndfile(path, max_seconds)
    # Whatever libsndfile refuses (a wrong suffix, a rare codec, a header without a length) may
    # still be known to ffmpeg.
    if found is None:
        found = _decode_ffmpeg(path, max_seconds)
    samples, rate = found
    if samples.shape[-1] == 0:
        raise JoVAError(f"{path} holds no sound at all (0 samples); give {AUDIO_FORMATS}.")
    if not torch.isfinite(samples).all():
        raise JoVAError(f"The sound of {path} holds NaN or infinite samples; export it again.")
    names = probe(path).audio.layout if len(samples) > 2 else ()
    mono, notes = mix_to_mono(samples, names)
    return Audio(samples=samples, sample_rate=rate, mono=mono, notes=notes)


def read_audio(path: str | Path, sample_rate: int) -> Tensor:
    """Return the sound as mono float32 [N] at `sample_rate` Hz; see `channels.mix_to_mono`."""
    if sample_rate < 1:
        raise JoVAError(f"The sample rate {sample_rate} is not possible; give Hz, such as 16000.")
    audio = load_audio(path)
    return resample(audio.mono, audio.sample_rate, sample_rate)


def read_audio_native(path: str | Path) -> tuple[Tensor, int]:
    """Return the sound as stored: float32 [C, N] and its sample rate in Hz."""
    audio = load_audio(path)
    return audio.samples, audio.sample_rate


def _decode_sndfile(path: Path, max_seconds: Fraction | float | None) -> tuple[Tensor, int] | None:
    """Decode by libsndfile; None when it does not know the file, its length or all of its data."""
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            rate, stated = int(file.samplerate), int(file.frames)
            if not 0 < stated <= _MOST_SECONDS * rate:
                return None
            wanted = stated if max_seconds is None else min(stated, round(max_seconds * rate))
            samples = torch.empty(file.channels, wanted, dtype=torch.float32)
            done = 0
            while done < wanted:
                block = file.read(min(_BLOCK, wanted - done), dtype="float32", always_2d=True)
                if not len(block):
                    return None
                samples[:, done : done + len(block)] = torch.from_numpy(block.T)
                done += len(block)
    except (soundfile.LibsndfileError, OSError, ValueError, RuntimeError, MemoryError):
        return None
    return samples, rate


def _decode_ffmpeg(path: Path, max_seconds: Fraction | float | None) -> tuple[Tensor, int]:
    """Decode the default audio stream by ffmpeg; a late start becomes silence, to stay in sync."""
    found = probe(path)
    info, other = found.audio, found.video and found.video.index
    if info is None:
        raise JoVAError(f"{path} has no sound stream; give {AUDIO_FORMATS}.")
    limit = [] if max_seconds is None else ["-t", f"{float(max_seconds):.6f}"]
    with tempfile.TemporaryDirectory(prefix="jova-") as folder:
        wave = Path(folder) / "sound.wav"
        wanted = ["-map", f"0:{info.index}", "-af", "aresample=async=1:first_pts=0", *limit]
        # RF64 takes over where WAV ends, at 4 GiB.
        output = ["-c:a", "pcm_f32le", "-rf64", "auto", "-f", "wav", str(wave)]
        clock = clock_arguments(other)
        done = run_ffmpeg(["-v", "error", *input_arguments(path), *wanted, *output, *clock])
        samples = _decode_sndfile(wave, None) if wave.is_file() else None
    if done.returncode or samples is None:
        reason = ffmpeg_reason(done.stderr)
        raise JoVAError(f"The sound of {path} cannot be decoded ({reason}); give {AUDIO_FORMATS}.")
    return samples
