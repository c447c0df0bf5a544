"""Areas around a mouth: what speaking changes, mouth and jaw, the same in every frame; the face.

Legend: T latent frames, h w latent rows and columns.
"""

import torch
from torch import Tensor

# Cells around the mouths of all frames; below them lies the jaw. Ours.
SIDE, BELOW = 1, 2
# From a mouth to the brows and to the cheeks, in widths of the mouth. Ours.
BROWS, CHEEKS = 1.2, 0.3


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


def face_area(mouth: Tensor) -> Tensor:
    """uint8 `[1, h, w]`: the face, from brows to mouth, in a picture with the mouth's cells there.

    Without any mouth nothing of it.
    """
    face = torch.zeros_like(mouth, dtype=torch.uint8)
    rows, columns = (mouth[0].any(axis).nonzero() for axis in (1, 0))
    if len(rows):
        left, right = int(columns.min()), int(columns.max()) + 1
        above, side = (round(share * (right - left)) for share in (BROWS, CHEEKS))
        top, bottom = max(0, int(rows.min()) - above), int(rows.max()) + 1
        face[:, top:bottom, max(0, left - side) : right + side] = 1
    return face
