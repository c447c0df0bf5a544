"""Where the lips truly are in the pictures: what a detector's answers are held against."""

from dataclasses import dataclass

import numpy as np

from .head import Head
from .perform import Performance
from .raster import project
from .stage import FINER, Stage


@dataclass(frozen=True, kw_only=True)
class TrueLips:
    """The lips of every frame, in pixels of the pictures."""

    boxes: np.ndarray  # float32 [F, 4], x0, y0, x1, y1 round the outer lips
    opening: np.ndarray  # float32 [F], distance of the inner lips
    width: np.ndarray  # float32 [F], distance of the mouth's corners


def true_lips(head: Head, performance: Performance, *, size: int = 192) -> TrueLips:
    """The projected lips of a performance, for pictures of `size` px."""
    stage, anatomy = Stage(head, size), head.anatomy
    boxes, opening, width = [], [], []
    for frame in range(len(performance)):
        stage.place(performance[frame])
        project(stage.posed, stage.camera, stage.places)
        places = stage.places[:, :2] / FINER
        outer = places[anatomy.outer_lips]
        boxes.append([*outer.min(0), *outer.max(0)])
        upper, lower = places[list(anatomy.lips)]
        opening.append(np.linalg.norm(upper - lower))
        left, right = places[list(anatomy.corners)]
        width.append(np.linalg.norm(left - right))
    return TrueLips(boxes=np.float32(boxes), opening=np.float32(opening), width=np.float32(width))
