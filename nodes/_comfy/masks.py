"""Noise masks of every form that core makes, as one mask for each stream; 1 is made, 0 is given."""

from typing import Any

import comfy.utils
import torch
from torch import Tensor

from ...jova_core.errors import JoVAError
from ...jova_core.latents import AVLatents
from .streams import nested, read_streams, stream_parts

# What a node of ours has given, beside core's mask: a later mask for one stream replaces that.
GIVEN = "jova_given"


def noise_masks(latent: dict[str, Any]) -> AVLatents:
    """Masks `[B, 1, T, h, w]` and `[B, 1, L]` of a LATENT; 1 where there are none.

    What was given stays given where a later mask does not speak of it: the streams without a mask,
    streams whose mask is 1 throughout, and a reference picture in a masked video. Raises JoVAError
    for a mask that no time can be read from.
    """
    samples = latent["samples"]
    parts, masks = stream_parts(samples), latent.get("noise_mask")
    found = [None] * len(parts) if masks is None else stream_parts(masks)
    found += [None] * (len(parts) - len(found))
    whole = AVLatents(
        **{
            {5: "video", 3: "audio"}[part.ndim]: _fitted(mask, part)
            for part, mask in zip(parts, found, strict=False)
            if part.ndim in (3, 5)
        }
    )
    given = _still_given(latent, read_streams(samples))
    return AVLatents(
        video=_with_given(whole.video, given.video), audio=_with_given(whole.audio, given.audio)
    )


def with_streams(
    latent: dict[str, Any], video: Tensor, audio: Tensor, masks: AVLatents
) -> dict[str, Any]:
    """The LATENT with these streams and masks, which says what of them is given."""
    samples = AVLatents(video=video, audio=audio)
    kept = {"noise_mask": nested(masks), GIVEN: (samples, masks)}
    return {**latent, "samples": nested(samples), **kept}


def _fitted(mask: Tensor | None, stream: Tensor) -> Tensor:
    """A mask of core's as one channel of `stream`."""
    if mask is None:
        return torch.ones_like(stream[:, :1])
    mask = mask.to(stream)
    if stream.ndim == 5:
        return comfy.utils.reshape_mask(mask, (len(stream), 1, *stream.shape[2:]))
    if tuple(mask.shape[1:]) == tuple(stream.shape[1:]) or (mask.ndim == 3 and mask.shape[1] == 1):
        mask = mask[:, :1]
    else:
        mask = _over_time(mask)
    mask = torch.nn.functional.interpolate(mask, size=stream.shape[2], mode="nearest-exact")
    return comfy.utils.repeat_to_batch_size(mask, len(stream))


def _over_time(mask: Tensor) -> Tensor:
    """A mask of pictures `[..., H, W]` for sound → `[1, 1, N]` along the axis on which it varies.

    Raises JoVAError if there are several of them.
    """
    varies = [
        dim
        for dim in range(mask.ndim)
        if mask.shape[dim] > 1 and bool((mask != mask.narrow(dim, 0, 1)).any())
    ]
    if len(varies) > 1:
        raise JoVAError(
            f"Got a mask of shape {list(mask.shape)} for the sound that varies along {len(varies)} "
            "axes; expected one that varies along time alone; give a mask of one row of pixels."
        )
    time = varies[0] if varies else mask.ndim - 1
    return mask.movedim(time, -1).flatten(0, -2)[:1][None]


def _still_given(latent: dict[str, Any], streams: AVLatents) -> AVLatents:
    """Masks of what nodes of ours gave to the streams and what these still hold."""
    if GIVEN not in latent:
        return AVLatents()
    known, masks = latent[GIVEN]
    still = {
        name: getattr(masks, name)
        for name, stream in vars(streams).items()
        if _holds(stream, getattr(known, name), getattr(masks, name))
    }
    return AVLatents(**still)


def _holds(stream: Tensor | None, known: Tensor | None, mask: Tensor | None) -> bool:
    """Whether a stream is as it was known wherever the mask says that it is given."""
    if stream is None or known is None or stream.shape != known.shape:
        return False
    differs = (stream != known.to(stream)) & (mask.to(stream) < 1)
    return not bool(differs.any())


def _with_given(mask: Tensor | None, given: Tensor | None) -> Tensor | None:
    if mask is None or given is None:
        return mask
    given = given.to(mask)
    # A stream given whole and masked later in part is to be made anew in that part.
    if bool((given == 0).all()) and not bool((mask == 1).all()):
        return mask
    return torch.minimum(mask, given)
