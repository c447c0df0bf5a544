"""ComfyUI's three forms of a latent (nested, packed `[B, 1, N]`, plain) as `AVLatents` and back."""

from collections.abc import Callable
from typing import Any

import comfy.nested_tensor
import comfy.utils
import torch
from torch import Tensor

from ...jova_core.errors import JoVAError
from ...jova_core.latents import AVLatents


def read_streams(latent: Any, shapes: list[torch.Size] | None = None) -> AVLatents:
    """Video (5-D) and audio (3-D) of a latent; `shapes` unpack a packed one.

    Raises JoVAError for anything but one video, one audio, or both.
    """
    if latent.is_nested:
        parts = list(latent.unbind())
    else:
        parts = comfy.utils.unpack_latents(latent, shapes or [latent.shape])
    videos = [part for part in parts if part.ndim == 5]
    audios = [part for part in parts if part.ndim == 3]
    if len(videos) > 1 or len(audios) > 1 or len(videos) + len(audios) != len(parts):
        raise JoVAError(
            f"Got a latent of shapes {[tuple(part.shape) for part in parts]}; expected a video "
            "latent [B, C, T, H, W], an audio latent [B, C, L], or both: start from Empty JoVA "
            "Latent."
        )
    return AVLatents(video=next(iter(videos), None), audio=next(iter(audios), None))


def nested(latents: AVLatents) -> Any:
    """Both streams as core's NestedTensor, video first; a single stream as it is."""
    parts = [part for part in (latents.video, latents.audio) if part is not None]
    return parts[0] if len(parts) == 1 else comfy.nested_tensor.NestedTensor(parts)


def map_streams(
    latent: Any, shapes: list[torch.Size] | None, fn: Callable[[AVLatents], AVLatents]
) -> Any:
    """`fn` of the streams, in the form of `latent`."""
    out = fn(read_streams(latent, shapes))
    packed = not latent.is_nested and shapes is not None and len(shapes) > 1
    if not packed:
        return nested(out)
    return comfy.utils.pack_latents([out.video, out.audio])[0]


def first_channels(part: Tensor, count: int, fn: Callable[[Tensor], Tensor]) -> Tensor:
    """`fn` of the first `count` channels; core may have repeated an empty latent beyond them."""
    return torch.cat((fn(part[:, :count]), part[:, count:]), dim=1)


def noisy_frames(mask: Tensor) -> Tensor:
    """`[B, T]`: 1 for each latent frame that is sampled, by a mask `[B, C, T, H, W]` (0: given).

    A frame with one sampled cell counts as sampled and has the sampler's time.
    """
    return (mask.amax(dim=(1, 3, 4)) > 0).to(mask.dtype)


def noisy_tokens(mask: Tensor, per_token: int) -> Tensor:
    """`[B, L / per_token]`: 1 for each audio token with a sampled latent; mask `[B, C, L]`."""
    rows = (mask.amax(dim=1) > 0).to(mask.dtype)
    rows = torch.nn.functional.pad(rows, (0, -rows.shape[1] % per_token))
    return rows.unflatten(1, (-1, per_token)).amax(dim=2)


def keep_given(
    masks: AVLatents, given: AVLatents, noisy: AVLatents, *, per_token: int
) -> AVLatents:
    """`given` in the frames and audio tokens that are not sampled, elsewhere `noisy`."""
    video, audio = noisy.video, noisy.audio
    if video is not None:
        sampled = noisy_frames(masks.video)[:, None, :, None, None]
        video = torch.where(sampled > 0, video, given.video)
    if audio is not None:
        sampled = noisy_tokens(masks.audio, per_token).repeat_interleave(per_token, dim=1)
        audio = torch.where(sampled[:, None, : audio.shape[2]] > 0, audio, given.audio)
    return AVLatents(video=video, audio=audio)
