"""The mouth area of a clip: its boxes, masks of pixels and of latents, and a picture of it.

Legend: F frames, K faces, H and W pixels, T video latents, h and w latent rows and columns.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import JoVAError
from .faces import MouthTracks
from .masks import box_mask, latent_mask, pad_boxes, smooth_boxes

# Okabe and Ito's colours, which the colour-blind can tell apart too; one for each face.
COLOURS = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167), (255, 255, 255)),
)


@dataclass(frozen=True, kw_only=True)
class MouthRegions:
    """The mouth area of F frames of H x W pixels."""

    boxes: Tensor  # int64 [F, K, 4], x0, y0, x1, y1: whole pixels in the frame; 0 if not found
    found: Tensor  # bool [F, K], the box is known and some of it lies inside the frame
    pixels: Tensor  # float32 [F, H, W], 1 inside a box
    latents: Tensor  # float32 [T, h, w], 1 where the latent holds a pixel of a box
    left_out: int  # frames at the end that fill no latent


def mouth_regions(
    tracks: MouthTracks,
    *,
    height: int,
    width: int,
    pad: float = 0.25,
    temporal_ratio: int = 4,
    spatial_ratio: int = 8,
) -> MouthRegions:
    """Masks of the boxes of `tracks`, smoothed and padded by `pad` of their size on each side.

    As a video codec does, latents take the middle of frames whose sides are no multiples of
    `spatial_ratio`, and leave out frames at the end that do not fill one: the first holds frame 0,
    each later one `temporal_ratio` frames. JoVAError for frames smaller than a latent.
    """
    rows, columns = height // spatial_ratio, width // spatial_ratio
    if not rows or not columns:
        raise JoVAError(
            f"Pictures of {width} x {height} px are smaller than a latent of {spatial_ratio} px; "
            "give larger ones or a latent of fewer pixels."
        )
    boxes = pad_boxes(smooth_boxes(tracks.boxes, tracks.found), pad)
    inside, found = _whole_pixels(boxes, tracks.found, height, width)
    offset = torch.tensor([width % spatial_ratio // 2, height % spatial_ratio // 2] * 2)
    left_out = (len(boxes) - 1) % temporal_ratio
    filled = len(boxes) - left_out
    latents = latent_mask(
        (tracks.boxes - offset)[:filled],
        tracks.found[:filled],
        height=height,
        width=width,
        temporal_ratio=temporal_ratio,
        spatial_ratio=spatial_ratio,
        pad=pad,
    )
    return MouthRegions(
        boxes=inside,
        found=found,
        pixels=box_mask(inside.float(), found, height, width),
        latents=latents,
        left_out=left_out,
    )


def draw_boxes(frames: Tensor, regions: MouthRegions) -> Tensor:
    """Copy of uint8 frames [F, H, W, 3] with an outline around each box, a colour for each face."""
    drawn = frames.clone()
    line = max(1, min(frames.shape[1:3]) // 160)
    for f, k in regions.found.nonzero().tolist():
        x0, y0, x1, y1 = regions.boxes[f, k].tolist()
        area = drawn[f, y0:y1, x0:x1]
        colour = torch.tensor(COLOURS[k % len(COLOURS)], dtype=torch.uint8)
        for edge in (area[:line], area[-line:], area[:, :line], area[:, -line:]):
            edge[:] = colour
    return drawn


def _whole_pixels(boxes: Tensor, found: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Boxes [F, K, 4] grown to whole pixels and cut to the frame, and which are left [F, K]."""
    size = torch.tensor([width, height])
    known = torch.where(found[..., None], boxes, torch.zeros_like(boxes))
    low = known[..., :2].floor().long().clamp(min=0)
    high = torch.minimum(known[..., 2:].ceil().long(), size)
    left = found & (high > low).all(dim=-1)
    whole = torch.cat([low, high], dim=-1)
    return torch.where(left[..., None], whole, torch.zeros_like(whole)), left
