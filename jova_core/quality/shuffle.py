"""Shuffled controls: which clip takes the place of which."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np


def derangements(groups: Sequence[Hashable], *, n: int, seed: int) -> np.ndarray:
    """n permutations [n, clips] that move every clip to another one of its own group.

    The only clip of a group has nowhere to go and keeps its own place.
    """
    rng = np.random.default_rng(seed)
    members = defaultdict(list)
    for clip, group in enumerate(groups):
        members[group].append(clip)
    result = np.tile(np.arange(len(groups)), (n, 1))
    for clips in members.values():
        for row in result:
            row[clips] = np.array(clips)[_derangement(len(clips), rng)]
    return result


def _derangement(count: int, rng: np.random.Generator) -> np.ndarray:
    """One permutation without a fixed point, all of them equally likely; [0] for a single item."""
    places = np.arange(count)
    if count < 2:
        return places
    while True:
        order = rng.permutation(count)
        if not np.any(order == places):
            return order
