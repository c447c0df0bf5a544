"""The area that speaking changes: mouth and jaw, the same in every frame.

Legend: T latent frames, h w latent rows and columns.
"""

import torch
from torch import Tensor

# Cells around the mouths of all frames; below them lies the jaw. Ours.
SIDE, BELOW = 1, 2


def mouth_area(mouth: Tensor, *, grown: int = 0) -> Tensor:
    """bool `[h, w]`: the box around the mouth's cells `[T, h, w]` of all frames, with the jaw.

    One area for a whole clip, because a box that followed the lips would tell how far they were
    open. `grown` more cells on each side. Without any mouth it is the whole picture.
    """
    seen = mouth.bool().any(0)
    if not seen.any():
        return torch.ones_like(seen)
    rows, columns = (seen.any(axis).nonzero() for axis in (1, 0))
    side, below = SIDE + grown, BELOW + grown
    area = torch.zeros_like(seen)
    top, left = (max(0, int(places.min()) - side) for places in (rows, columns))
    area[top : int(rows.max()) + below + 1, left : int(columns.max()) + side + 1] = True
    return area
