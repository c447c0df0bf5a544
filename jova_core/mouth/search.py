"""Looking again where a detector saw no face: in tiles for small ones, turned for upside-down ones.

Legend: H and W pixels, K faces; a row of measured values begins with the box x0, y0, x1, y1 and
ends with the distance of the eyes, see `landmarks.measure`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

# MediaPipe finds a head of 14 % of its picture's side and none of 11 % (measured on a photograph,
# tests/mouth/test_search.py), so tiles of a half and a quarter follow the short side itself.
HEAD_SHARE = 0.14
_LEVELS = (1, 2, 4)
_LEAST_SIDE = 96  # px; a mouth in a smaller tile would be 5 px wide
_PROBES = 4  # frames without a face that are searched whole before the others are searched at all
_SAME = 0.75  # of the distance of the eyes: nearer mouths are one face
_AGREE = 0.5  # of the same: two looks at one frame found the same mouth

Measure = Callable[[Tensor], np.ndarray]  # a frame uint8 [H, W, 3] → rows [K, 7] in its pixels


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A square part of a frame."""

    x: int
    y: int
    side: int


def tile_levels(height: int, width: int) -> list[list[Tile]]:
    """Tiles that overlap by half, the largest first; none where the whole frame is as small."""
    short = min(height, width)
    sides = [short // level for level in _LEVELS if short // level >= _LEAST_SIDE]
    if height == width:
        sides = sides[1:]  # the frame itself has been looked at
    return [
        [Tile(x=x, y=y, side=side) for y, x in product(_starts(height, side), _starts(width, side))]
        for side in sides
    ]


def smallest_head(height: int, width: int) -> int:
    """Pixels of the smallest head that is looked for in such frames."""
    levels = tile_levels(height, width)
    side = levels[-1][0].side if levels else min(height, width)
    return round(HEAD_SHARE * side)


def search_tiles(
    measure: Measure, frames: Tensor, missing: Sequence[int], faces: int
) -> dict[int, np.ndarray]:
    """Rows of the small faces in the frames `missing` of uint8 [F, H, W, 3], where there are any.

    Some frames are searched whole; the others only where those had a face, and around it.
    """
    levels = tile_levels(*frames.shape[1:3])
    spread = sorted({round(i) for i in np.linspace(0, len(missing) - 1, _PROBES)})
    found: dict[int, np.ndarray] = {}
    near: list[Tile] = []
    for frame in (missing[i] for i in spread) if missing else ():
        for tiles in levels:
            rows, hits = _search(measure, frames[frame], tiles, faces)
            if len(rows):
                found[frame] = rows
                near += [t for t in tiles if any(_touch(t, hit) for hit in hits) and t not in near]
                break
    for frame in missing:
        if near and frame not in found:
            rows, _ = _search(measure, frames[frame], near, faces)
            if len(rows):
                found[frame] = rows
    return found


def is_upside_down(measure: Measure, frames: Tensor, seen: dict[int, np.ndarray]) -> bool:
    """Whether most of three frames, of those looked at (`seen`), show the mouth above the eyes."""
    looked = sorted(seen)
    probes = [looked[len(looked) // 2], looked[0], looked[-1]]
    votes: list[bool] = []
    for frame in probes:
        votes.append(_turned(measure, frames[frame], seen[frame]))
        if votes.count(votes[-1]) == 2:
            return votes[-1]
    return votes.count(True) > 1


def _turned(measure: Measure, frame: Tensor, upright: np.ndarray) -> bool:
    """Whether a frame [H, W, 3] shows an upside-down face; `upright` are its rows as it is.

    MediaPipe fits upright lips onto such a face. Lying ones it fits well: so two looks at the frame
    turned to the left and to the right have to agree where the mouth is, and not with `upright`.
    """
    height, width = frame.shape[:2]
    left, right = (measure(torch.rot90(frame, turn).contiguous()) for turn in (1, -1))
    if not len(left) or not len(right):
        return False
    # Turned to the left, (x, y) has gone to (y, W - x); to the right, to (H - y, x).
    seen_left, seen_right = _middle(left[0]), _middle(right[0])
    mouth = np.array([width - seen_left[1], seen_left[0]])
    again = np.array([seen_right[1], height - seen_right[0]])
    reach = _AGREE * min(left[0][6], right[0][6])
    if np.linalg.norm(mouth - again) > reach:
        return False
    return not any(np.linalg.norm(_middle(row) - mouth) <= reach for row in upright)


def _search(
    measure: Measure, frame: Tensor, tiles: Sequence[Tile], faces: int
) -> tuple[np.ndarray, list[Tile]]:
    """Up to `faces` rows [K, 7] in the frame's pixels, the largest first, and their tiles."""
    seen: list[tuple[np.ndarray, Tile, float]] = []
    for tile in tiles:
        part = frame[tile.y : tile.y + tile.side, tile.x : tile.x + tile.side].contiguous()
        for row in measure(part):
            middle = np.linalg.norm(_middle(row) - tile.side / 2)
            shift = np.array([tile.x, tile.y, tile.x, tile.y, 0, 0, 0])
            seen.append((row + shift, tile, float(middle)))
    # Of the looks at one face that from the tile in whose middle it lies is the best.
    kept: list[tuple[np.ndarray, Tile]] = []
    for row, tile, _ in sorted(seen, key=lambda look: look[2]):
        if all(np.linalg.norm(_middle(row) - _middle(k)) > _SAME * row[6] for k, _ in kept):
            kept.append((row, tile))
    kept = sorted(kept, key=lambda look: -look[0][6])[:faces]
    return np.array([row for row, _ in kept]).reshape(-1, 7), [tile for _, tile in kept]


def _starts(length: int, side: int) -> list[int]:
    return sorted({*range(0, length - side + 1, max(1, side // 2)), length - side})


def _touch(tile: Tile, other: Tile) -> bool:
    reach = 0.75 * tile.side
    return abs(tile.x - other.x) <= reach and abs(tile.y - other.y) <= reach


def _middle(row: np.ndarray) -> np.ndarray:
    return (row[:2] + row[2:4]) / 2
