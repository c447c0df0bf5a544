"""Lip boxes to masks: which latents, or which pixels, show the mouth.

Legend: F frames, K faces per frame, T video latents, h and w latent rows and columns.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import JoVAError


def latent_mask(
    boxes: Tensor,
    found: Tensor,
    *,
    height: int,
    width: int,
    temporal_ratio: int = 4,
    spatial_ratio: int = 8,
    pad: float = 0.25,
) -> Tensor:
    """Float mask [T, height / 8, width / 8], 1 in every cell that the mouth touches, else 0.

    `boxes` [F, 4] or [F, K, 4] are pixels (x0, y0, x1, y1) of the height x width frame, `found`
    [F] or [F, K] says which count. Boxes are smoothed over three frames and padded by `pad` of
    their size on each side; a latent takes the union of its frames: the first latent frame 0,
    every other one `temporal_ratio` frames. JoVAError if F is not 1 more than a multiple of it.
    """
    if boxes.ndim == 2:
        boxes, found = boxes[:, None], found[:, None]
    _check_boxes(boxes, found, temporal_ratio)
    padded = pad_boxes(smooth_boxes(boxes, found), pad)
    rows, columns = height // spatial_ratio, width // spatial_ratio
    per_frame = box_mask(padded / spatial_ratio, found, rows, columns).bool()
    return by_latent(per_frame, temporal_ratio).float()


def by_latent(frames: Tensor, temporal_ratio: int) -> Tensor:
    """Bool masks [F, h, w] of frames as [T, h, w]: the union of the frames that a latent holds."""
    if len(frames) == 1:
        return frames
    rest = frames[1:].unflatten(0, (-1, temporal_ratio)).any(dim=1)
    return torch.cat([frames[:1], rest])


def box_mask(boxes: Tensor, found: Tensor, rows: int, columns: int) -> Tensor:
    """Float mask [F, rows, columns] of boxes [F, K, 4] in cells, 1 in every cell that one touches.

    `found` [F, K] says which boxes count; of pixels, a cell is one pixel.
    """
    x0, y0, x1, y1 = boxes[..., None].unbind(dim=-2)
    across = _overlaps(x0, x1, columns)
    down = _overlaps(y0, y1, rows) & found[..., None]
    # A sum over the faces, which takes no memory of [F, K, rows, columns].
    return (down.float().mT @ across.float()).clamp_(max=1)


def smooth_boxes(boxes: Tensor, found: Tensor) -> Tensor:
    """Boxes [F, K, 4] averaged over time with weights 1, 2, 1, over known neighbours only."""
    known = found[..., None].to(boxes.dtype)
    values = torch.where(found[..., None], boxes, torch.zeros_like(boxes))
    total = _three_frames(values)
    weight = _three_frames(known)
    return torch.where(found[..., None], total / weight.clamp(min=1), boxes)


def pad_boxes(boxes: Tensor, pad: float) -> Tensor:
    """Boxes [..., 4] grown by `pad` of their width and height on each side."""
    low, high = boxes[..., :2], boxes[..., 2:]
    grow = pad * (high - low)
    return torch.cat([low - grow, high + grow], dim=-1)


def _three_frames(values: Tensor) -> Tensor:
    padded = F.pad(values.movedim(0, -1), (1, 1)).movedim(-1, 0)
    return padded[:-2] + 2 * padded[1:-1] + padded[2:]


def _overlaps(low: Tensor, high: Tensor, count: int) -> Tensor:
    cells = torch.arange(count, dtype=low.dtype)
    # Comparisons with NaN are False, so unknown boxes cover nothing.
    return (low < cells + 1) & (high > cells)


def _check_boxes(boxes: Tensor, found: Tensor, temporal_ratio: int) -> None:
    if boxes.ndim != 3 or boxes.shape[-1] != 4 or found.shape != boxes.shape[:2]:
        raise JoVAError(
            "A mouth mask needs boxes [F, 4] or [F, K, 4] and found of the same length; "
            f"{list(boxes.shape)} and {list(found.shape)} came."
        )
    if len(boxes) % temporal_ratio != 1 % temporal_ratio:
        raise JoVAError(
            f"{len(boxes)} frames do not fill whole latents: give {temporal_ratio} (T - 1) + 1 "
            "frames, for example 33."
        )
