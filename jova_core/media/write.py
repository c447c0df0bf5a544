"""Writes frames and sound into one file by a recipe: whole, in sync, or not at all.

F frames, H height, W width, C sound channels, N samples.
"""

import errno
import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from ..errors import JoVAError
from ..files import atomic_write, write_problem
from .encode import EncodeJob, encode
from .ffmpeg import ffmpeg_reason
from .fit import check_audio, check_clip, fit_length, note_faults
from .frames import FrameStream
from .picture import PICTURE_SUFFIXES, save_picture
from .probe import probe
from .recipes import Recipe, load_recipe

_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, kw_only=True)
class WrittenClip:
    """What was written; `samples` and `channels` are 0 without sound, `notes` are sentences.

    `sample_rate` is the given one, in which `samples` are counted; an encoder that does not know
    it (Opus, AAC) stores the nearest that it knows.
    """

    path: Path
    frames: int
    height: int
    width: int
    fps: Fraction
    samples: int
    sample_rate: int
    channels: int
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> Fraction:
        """Length of the video stream."""
        return self.frames / self.fps


def write_clip(
    path: str | Path,
    frames: Tensor | FrameStream,
    audio: Tensor | None,
    *,
    fps: Fraction | int,
    sample_rate: int,
    recipe: str = "mp4",
    scale: int = 1,
    metadata: dict | None = None,
) -> WrittenClip:
    """Write uint8 `frames` [F, H, W, 3] with `audio` float [N] or [C, N] or None to `path`.

    Frames may come as a stream, whose chunks are made while earlier ones are encoded; the sound of
    a minute is smaller than one of its pictures is at full size, so it is always whole.
    Sound is cut, or padded with silence, at its end to round(F / fps * sample_rate) samples; what
    goes beyond +-1 is clipped and noted. `scale` enlarges by a whole factor. `metadata` values
    become text tags (JSON unless already text); those that the container loses are noted. One
    frame without sound may go to .png or .jpg.
    Raises JoVAError with one sentence; on failure nothing is left behind.
    """
    target = Path(path)
    frames, fps = check_clip(frames, fps, scale)
    tags = _tag_texts(metadata)
    notes: list[str] = []
    if audio is not None:
        audio = check_audio(audio, sample_rate, notes)
    if target.suffix.lower() in PICTURE_SUFFIXES:
        _check_picture(target, frames.count, audio)
        notes += save_picture(target, next(frames.checked())[0], scale, tags)
        height, width = frames.height * scale, frames.width * scale
    else:
        chosen = load_recipe(recipe)
        _check_suffix(target, chosen)
        _check_limits(frames, fps, scale, chosen)
        if audio is not None and not chosen.audio_args:
            notes.append(f"The recipe {chosen.name} holds no sound, so it was left out.")
            audio = None
        if audio is not None:
            samples = round(frames.count / fps * sample_rate)
            audio = fit_length(audio, samples, sample_rate, notes)
            note_faults(audio, notes)
        job = EncodeJob(
            frames=frames, audio=audio, fps=fps, sample_rate=sample_rate, scale=scale, tags=tags
        )
        height, width = _write_media(target, job, chosen, notes)
    channels, samples = (0, 0) if audio is None else audio.shape
    size = {"frames": frames.count, "height": height, "width": width}
    sound = {"samples": samples, "sample_rate": sample_rate, "channels": channels}
    return WrittenClip(path=target, fps=fps, notes=tuple(notes), **size, **sound)


def _tag_texts(metadata: dict | None) -> dict[str, str]:
    """Return every value as text: strings as they are, the rest as JSON."""
    try:
        return {
            str(key): value if isinstance(value, str) else _json_text(value)
            for key, value in (metadata or {}).items()
        }
    except (TypeError, ValueError) as error:
        raise JoVAError(
            f"The metadata cannot become JSON ({error}); give text, numbers, lists and dicts."
        ) from error


def _json_text(value: object) -> str:
    """Return `value` as JSON in ASCII without braces inside its texts."""
    # ComfyUI's page finds the end of a WebM file's workflow by counting braces, texts included.
    return _JSON_TEXT.sub(
        lambda text: text[0].replace("{", "\\u007b").replace("}", "\\u007d"), json.dumps(value)
    )


def _check_picture(target: Path, frames: int, audio: Tensor | None) -> None:
    """Reject a picture's name for more than one frame or for a clip with sound."""
    if frames != 1 or audio is not None:
        came = f"{frames} frame{'s' if frames > 1 else ''}{' with sound' * (audio is not None)}"
        raise JoVAError(
            f"{target.name} is a picture's name, but {came} came; "
            "a picture holds one frame without sound: use a name ending in .mp4."
        )


def _check_suffix(target: Path, recipe: Recipe) -> None:
    """Reject a file name whose suffix is not the recipe's."""
    if target.suffix.lower() != recipe.suffix:
        came = f"ends in {target.suffix!r}" if target.suffix else "has no suffix"
        raise JoVAError(
            f"The name {target.name!r} {came}, but the recipe {recipe.name} writes "
            f"{recipe.suffix} files; give a name ending in {recipe.suffix} or choose another "
            f"recipe (one frame without sound may also be .png or .jpg)."
        )


def _check_limits(frames: FrameStream, fps: Fraction, scale: int, recipe: Recipe) -> None:
    """Reject a frame rate that players do not keep and a size that the encoder refuses."""
    if fps > recipe.max_fps:
        raise JoVAError(
            f"The recipe {recipe.name} holds at most {recipe.max_fps} frames/s, but {fps} came; "
            "give fewer frames/s or choose another recipe."
        )
    height, width = frames.height * scale, frames.width * scale
    # An odd side gains one pixel where the recipe needs even ones.
    if min(height, width) + recipe.even_size * (min(height, width) % 2) < recipe.min_side:
        raise JoVAError(
            f"The recipe {recipe.name} needs sides of {recipe.min_side} pixels or more, but "
            f"{width} x {height} came; enlarge by a larger scale or choose another recipe."
        )


def _write_media(target: Path, job: EncodeJob, recipe: Recipe, notes: list[str]) -> tuple[int, int]:
    """Encode beside `target`, read the result back, then give it its name; returns its size."""
    with atomic_write(target) as temporary:
        words = encode(job, recipe, temporary)
        if words:
            full = "No space left" in words
            raise write_problem(
                target, errno.ENOSPC if full else None, f"ffmpeg: {ffmpeg_reason(words.encode())}"
            )
        return _verify(temporary, target, job, notes)


def _verify(written: Path, target: Path, job: EncodeJob, notes: list[str]) -> tuple[int, int]:
    """Count what arrived in the file, compare it with `job`, return its height and width."""
    found = probe(written)
    frames, seconds = job.frames.count, job.frames.count / job.fps
    arrived = 0 if found.video is None else found.video.frames
    if arrived != frames:
        raise write_problem(target, None, f"{arrived} of {frames} frames arrived in the file")
    length = Fraction(0) if found.audio is None else found.audio.seconds
    if job.audio is not None and abs(length - seconds) >= 1 / job.fps:
        reason = f"the sound came out {float(length):.3f} s long, not {float(seconds):.3f} s"
        raise write_problem(target, None, reason)
    lost = [key for key, text in job.tags.items() if found.tags.get(key.lower()) != text]
    if lost:
        names = ", ".join(lost)
        notes.append(f"A {target.suffix} file cannot hold this metadata as given: {names}.")
    return found.video.height, found.video.width
