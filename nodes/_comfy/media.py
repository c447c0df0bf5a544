"""IMAGE and AUDIO as the core's tensors and back; saving where ComfyUI saves."""

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
from ...jova_core.media import WrittenClip, load_recipe, recipe_names, write_clip

__all__ = [
    "SavedClip",
    "bytes_of",
    "mono",
    "recipe_names",
    "save_clip",
    "to_audio",
    "to_image",
    "waveform_of",
]


def bytes_of(images: Tensor) -> Tensor:
    """IMAGE `[F, H, W, C]` in 0 … 1 → uint8 `[F, H, W, 3]` on the CPU; alpha is dropped.

    Raises JoVAError for NaN or infinity, which rounding would hide, and for other shapes.
    """
    if images.ndim != 4 or images.shape[3] not in (3, 4) or not images.numel():
        raise JoVAError(f"Got images of shape {list(images.shape)}; expected IMAGE [F, H, W, 3].")
    images = images[..., :3].detach().float().cpu()
    if not torch.isfinite(images).all():
        bad = int((~torch.isfinite(images)).flatten(1).any(1).nonzero()[0])
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
    frames = bytes_of(images)
    wave, rate = (None, 1) if audio is None else waveform_of(audio)
    clip = {
        "fps": Fraction(fps).limit_denominator(1001),
        "sample_rate": rate,
        "scale": scale or _enlargement(frames),
    }
    chosen = load_recipe(recipe)
    target, folder = _free_path(prefix, folder_paths.get_output_directory(), chosen.suffix)
    tags = {} if args.disable_metadata else tags
    written = write_clip(target, frames, wave, recipe=recipe, metadata=tags, **clip)
    if chosen.browser:
        return SavedClip(clip=written, preview=(target.name, folder, "output"))
    proxy, folder = _free_path("JoVA_preview", folder_paths.get_temp_directory(), ".mp4")
    write_clip(proxy, frames, wave, recipe="mp4", metadata={}, **clip)
    return SavedClip(clip=written, preview=(proxy.name, folder, "temp"))


def _enlargement(frames: Tensor) -> int:
    """The factor that brings the short side of small pictures to 384 px or more."""
    return max(1, min(16, -(-384 // min(frames.shape[1:3]))))


def _free_path(prefix: str, base: str, suffix: str) -> tuple[Path, str]:
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, base)
    return Path(folder) / f"{name}_{counter:05}_{suffix}", subfolder
