"""ComfyUI's three forms of a latent (nested, packed `[B, 1, N]`, plain) as `AVLatents` and back."""

import math
from collections.abc import Callable
from typing import Any

import comfy.nested_tensor
import comfy.utils
import torch
from torch import Tensor

from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
from ...jova_core.latents import AVLatents
from ...jova_core.timeline import Timeline


def read_streams(latent: Any, shapes: list[torch.Size] | None = None) -> AVLatents:
    """Video (5-D) and audio (3-D) of a latent; `shapes` unpack a packed one.

    Raises JoVAError for anything but one video, one audio, or both.
    """
    parts = stream_parts(latent, shapes)
    videos = [part for part in parts if part.ndim == 5]
    audios = [part for part in parts if part.ndim == 3]
    if len(videos) > 1 or len(audios) > 1 or len(videos) + len(audios) != len(parts):
        raise JoVAError(
            f"Got a latent of shapes {[tuple(part.shape) for part in parts]}; expected a video "
            "latent [B, C, T, H, W], an audio latent [B, C, L], or both; start from Empty JoVA "
            "Latent."
        )
    return AVLatents(video=next(iter(videos), None), audio=next(iter(audios), None))


def stream_parts(latent: Any, shapes: list[torch.Size] | None = None) -> list[Tensor]:
    """The streams of a latent in the order in which they come; `shapes` as in `read_streams`."""
    if latent.is_nested:
        return list(latent.unbind())
    return list(comfy.utils.unpack_latents(latent, shapes or [latent.shape]))


def shapes_of_pack(latent: Any, shapes: list[torch.Size] | None) -> list[torch.Size] | None:
    """`shapes` if `latent` is streams of exactly these shapes packed to `[B, 1, N]`, else None.

    A model remembers the shapes of its run; what arrives may be another latent.
    """
    if latent.is_nested or shapes is None or len(shapes) < 2:
        return None
    size = sum(math.prod(shape[1:]) for shape in shapes)
    return shapes if tuple(latent.shape[1:]) == (1, size) else None


def nested(latents: AVLatents) -> Any:
    """Both streams as core's NestedTensor, video first; a single stream as it is."""
    parts = [part for part in (latents.video, latents.audio) if part is not None]
    return parts[0] if len(parts) == 1 else comfy.nested_tensor.NestedTensor(parts)


def map_streams(
    latent: Any, shapes: list[torch.Size] | None, fn: Callable[[AVLatents], AVLatents]
) -> Any:
    """`fn` of the streams, in the form and the order in which `latent` came."""
    shapes = shapes_of_pack(latent, shapes)
    out = fn(read_streams(latent, shapes))
    made = {5: out.video, 3: out.audio}
    parts = [made[part.ndim] for part in stream_parts(latent, shapes)]
    if shapes is not None:
        return comfy.utils.pack_latents(parts)[0]
    return comfy.nested_tensor.NestedTensor(parts) if latent.is_nested else parts[0]


def check_streams(config: JoVAConfig, latents: AVLatents) -> int:
    """Frames of the clip. Raises JoVAError for streams that this model cannot make together."""
    line = Timeline.of(config)
    for name, part in vars(latents).items():
        channels = getattr(config, name).channels
        # Core repeats an empty video latent to the channels of the wider stream.
        most = max(channels, config.audio.channels) if name == "video" else channels
        if part is not None and not channels <= part.shape[1] <= most:
            raise JoVAError(
                f"Got a {name} latent of {part.shape[1]} channels; expected {channels}, as "
                f"{getattr(config, name).codec} makes them; start from Empty JoVA Latent, or "
                "encode with Load JoVA Codecs."
            )
    if latents.video is None:
        # An audio latent reaches up to one latent past the pictures it was made for.
        return max(1, int(latents.audio.shape[2] / line.audio_rate * line.fps))
    frames = line.frames(latents.video.shape[2])
    if latents.audio is not None:
        _check_pair(line, frames, latents)
    return frames


def _check_pair(line: Timeline, frames: int, latents: AVLatents) -> None:
    length, expected = latents.audio.shape[2], line.audio_latents(frames)
    if length != expected:
        raise JoVAError(
            f"Got {length} audio latents beside a video of {frames} frames "
            f"({float(line.seconds(frames)):.2f} s); expected {expected}; make both streams with "
            "Empty JoVA Latent of one length, or with media of one length."
        )
    if len(latents.video) != len(latents.audio):
        raise JoVAError(
            f"Got {len(latents.video)} videos and {len(latents.audio)} sounds in one latent; "
            "expected equally many; give both streams the same batch size."
        )


def first_channels(part: Tensor, count: int, fn: Callable[[Tensor], Tensor]) -> Tensor:
    """`fn` of the first `count` channels; core may have repeated an empty latent beyond them."""
    return torch.cat((fn(part[:, :count]), part[:, count:]), dim=1)


def noisy_frames(mask: Tensor) -> Tensor:
    """`[B, T]`: 1 for each latent frame that is sampled, by a mask `[B, C, T, H, W]` (0: given).

    A frame with one sampled cell counts as sampled and has the sampler's time.
    """
    return (mask.amax(dim=(1, 3, 4)) > 0).to(mask.dtype)


def noisy_latents(mask: Tensor) -> Tensor:
    """`[B, L]`: 1 where an audio latent is made, even in part, by a mask `[B, C, L]` (0 given)."""
    return (mask.amax(dim=1) > 0).to(mask.dtype)


def per_token(made: Tensor, patch: int) -> Tensor:
    """`[B, L / patch]`: 1 where any of a token's latents is made, by `noisy_latents`."""
    rows = torch.nn.functional.pad(made, (0, -made.shape[1] % patch))
    return rows.unflatten(1, (-1, patch)).amax(dim=2)


def audio_window(line: Timeline, video_indices: list[int], total: int) -> list[int]:
    """The audio latents, of `total`, that sound while these latent frames are seen.

    Each stretch begins a picture earlier: core puts the latent frame before a window in front of
    it, and the network takes the first latent frame for one picture.
    """
    found: dict[int, None] = {}
    for place, index in enumerate(video_indices):
        follows = place > 0 and video_indices[place - 1] == index - 1
        first = 0 if index == 0 else line.frames(index) - (0 if follows else 1)
        start = min(int(line.seconds(first) * line.audio_rate), total - 1)
        end = min(line.audio_latents(line.frames(index + 1)), total)
        found |= dict.fromkeys(range(start, max(end, start + 1)))
    return list(found)


def keep_given(masks: AVLatents, given: AVLatents, noisy: AVLatents, *, patch: int) -> AVLatents:
    """`given` in the frames and audio tokens that are not sampled, elsewhere `noisy`."""
    video, audio = noisy.video, noisy.audio
    if video is not None:
        sampled = noisy_frames(masks.video)[:, None, :, None, None]
        video = torch.where(sampled > 0, video, given.video)
    if audio is not None:
        sampled = per_token(noisy_latents(masks.audio), patch).repeat_interleave(patch, dim=1)
        audio = torch.where(sampled[:, None, : audio.shape[2]] > 0, audio, given.audio)
    return AVLatents(video=video, audio=audio)
