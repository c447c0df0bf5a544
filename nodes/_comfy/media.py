"""IMAGE and AUDIO as the core's tensors and back; saving where ComfyUI saves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import comfy.model_management
import folder_paths
import torch
from comfy.cli_args import args
from torch import Tensor

from ...jova_core.errors import JoVAError
from ...jova_core.files import claimed_name
from ...jova_core.media import FrameStream, WrittenClip, load_recipe, recipe_names, write_clip

__all__ = [
    "SavedClip",
    "bytes_of",
    "check_image",
    "mono",
    "recipe_names",
    "save_clip",
    "to_audio",
    "to_image",
    "waveform_of",
]

_CHUNK_VALUES = 1 << 24  # of pixels converted at a time


def check_image(images: Tensor | None) -> None:
    """JoVAError for what is no IMAGE."""
    if images is None:
        raise JoVAError("Got no images (from JoVA Decode without `video_vae`?); connect IMAGE.")
    if images.ndim != 4 or images.shape[3] not in (3, 4) or not images.numel():
        raise JoVAError(f"Got images of shape {list(images.shape)}; expected IMAGE [F, H, W, 3].")


def bytes_of(images: Tensor, *, first: int = 0) -> Tensor:
    """IMAGE `[F, H, W, C]` in 0 … 1 → uint8 `[F, H, W, 3]` on the CPU; alpha is dropped.

    Raises JoVAError for NaN or infinity, which rounding would hide, and for other shapes; frames
    are counted from `first`.
    """
    check_image(images)
    images = images[..., :3].detach().float().cpu()
    if not torch.isfinite(images).all():
        bad = first + int((~torch.isfinite(images)).flatten(1).any(1).nonzero()[0])
        raise JoVAError(
            f"The images hold NaN or infinity, first in frame {bad}; check the nodes before this "
            "one (an overflow in half precision, a wrong VAE)."
        )
    return (images.clamp(0, 1) * 255).round().to(torch.uint8)


def to_image(frames: Tensor) -> Tensor:
    """uint8 `[F, H, W, 3]` → IMAGE."""
    management = comfy.model_management
    image = frames.float() / 255
    return image.to(device=management.intermediate_device(), dtype=management.intermediate_dtype())


def to_audio(wave: Tensor, sample_rate: int) -> dict[str, Any]:
    """Samples `[N]` or `[B, C, N]` → AUDIO."""
    wave = wave.float().cpu()
    waveform = wave[None, None] if wave.ndim == 1 else wave
    return {"waveform": waveform, "sample_rate": sample_rate}


def waveform_of(audio: dict[str, Any] | None) -> tuple[Tensor, int]:
    """AUDIO → `[C, N]` and its rate; the clips of a batch follow each other.

    Raises JoVAError for no audio or audio without samples.
    """
    if audio is None:
        raise JoVAError("Got no audio (from a silent video?); connect AUDIO.")
    wave = audio["waveform"]
    if wave.ndim != 3 or not wave.numel():
        raise JoVAError(
            f"Got audio of shape {list(wave.shape)}, without samples; connect other AUDIO."
        )
    return wave.movedim(0, 1).flatten(1).detach().float().cpu(), int(audio["sample_rate"])


def mono(audio: dict[str, Any] | None) -> tuple[Tensor, int]:
    """AUDIO → the mean of its channels `[N]` and its rate; the first of a batch."""
    if audio is not None:
        audio = {**audio, "waveform": audio["waveform"][:1]}
    wave, rate = waveform_of(audio)
    return wave.mean(dim=0), rate


@dataclass(frozen=True, kw_only=True)
class SavedClip:
    """A written clip, and the file (name, folder, kind) for the page to play."""

    clip: WrittenClip
    preview: tuple[str, str, str]


def save_clip(
    images: Tensor,
    audio: dict[str, Any] | None,
    *,
    fps: float,
    prefix: str,
    recipe: str,
    scale: int,
    tags: dict[str, Any],
) -> SavedClip:
    """Write into the output folder under the next free number; a proxy goes to the temp folder."""
    check_image(images)
    height, width = images.shape[1:3]
    wave, rate = (None, 1) if audio is None else waveform_of(audio)
    clip = {
        "fps": Fraction(fps).limit_denominator(1001),
        "sample_rate": rate,
        "scale": scale or _enlargement(height, width),
    }
    chosen = load_recipe(recipe)
    tags = {} if args.disable_metadata else tags
    output, temp = folder_paths.get_output_directory(), folder_paths.get_temp_directory()
    with _claimed(prefix, output, chosen.suffix, images) as (target, folder):
        made = write_clip(target, _frames_of(images), wave, recipe=recipe, metadata=tags, **clip)
    if chosen.browser:
        return SavedClip(clip=made, preview=(target.name, folder, "output"))
    with _claimed("JoVA_preview", temp, ".mp4", images) as (proxy, folder):
        write_clip(proxy, _frames_of(images), wave, recipe="mp4", metadata={}, **clip)
    return SavedClip(clip=made, preview=(proxy.name, folder, "temp"))


def _frames_of(images: Tensor) -> FrameStream:
    """IMAGE as uint8 frames, some at a time: whole, they and their copies would fill the memory."""
    count, height, width, _ = images.shape
    step = max(1, _CHUNK_VALUES // (3 * height * width))
    chunks = (bytes_of(images[at : at + step], first=at) for at in range(0, count, step))
    return FrameStream(count=count, height=height, width=width, chunks=chunks)


def _enlargement(height: int, width: int) -> int:
    """The factor that brings the short side of small pictures to 384 px or more."""
    return max(1, min(16, -(-384 // min(height, width))))


@contextmanager
def _claimed(prefix: str, base: str, suffix: str, images: Tensor) -> Iterator[tuple[Path, str]]:
    """A new file under core's next number, taken before another writer can, and its subfolder."""
    height, width = images.shape[1:3]
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
        prefix, base, width, height
    )
    with claimed_name(Path(folder), f"{name}_", suffix, counter) as target:
        yield target, subfolder
