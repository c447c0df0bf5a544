"""Shuffled controls: the match of mouths with the voices of other clips.

Legend: F video frames.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...sync.correlation import FLAT, MIN_FRAMES, zero_lag_correlation


@dataclass(frozen=True, kw_only=True)
class ShuffledControls:
    """Mean correlation of mouths with the voices of other clips, once per shuffle."""

    means: Tensor  # float64 [n]
    clips: int  # clips that took part
    excluded: int  # clips left out: no other clip of that length, or a constant or unknown track

    @property
    def mean(self) -> float:
        """Mean over the shuffles; NaN if no clip took part."""
        return float(self.means.mean()) if self.clips else math.nan

    @property
    def p95(self) -> float:
        """95th percentile over the shuffles; NaN if no clip took part."""
        return float(self.means.quantile(0.95)) if self.clips else math.nan


def shuffled_controls(
    lips: Sequence[Tensor], envelopes: Sequence[Tensor], *, n: int = 200, seed: int = 0
) -> ShuffledControls:
    """Correlations of mouths with other clips' voices, among clips of equal length only.

    In every one of the n shuffles each clip gets another clip's voice. Clips whose mouth or voice
    is constant or unknown are left out and counted, as are lengths that only one clip has.
    """
    usable = [i for i in range(len(lips)) if _moves(lips[i]) and _moves(envelopes[i])]
    lengths = [len(lips[i]) for i in usable]
    usable = [i for i, length in zip(usable, lengths, strict=True) if lengths.count(length) > 1]
    excluded = len(lips) - len(usable)
    if not usable:
        return ShuffledControls(means=torch.zeros(0), clips=0, excluded=excluded)
    lengths = [len(lips[i]) for i in usable]
    table = _pairwise([lips[i] for i in usable], [envelopes[i] for i in usable], lengths)
    partners = derangements(lengths, n=n, seed=seed)
    values = table[np.arange(len(usable)), partners]
    means = torch.from_numpy(np.nanmean(values, axis=1))
    return ShuffledControls(means=means, clips=len(usable), excluded=excluded)


def _pairwise(
    lips: Sequence[Tensor], envelopes: Sequence[Tensor], lengths: Sequence[int]
) -> np.ndarray:
    """Correlation of every mouth with every voice of the same length, NaN elsewhere."""
    table = np.full((len(lips), len(lips)), np.nan)
    for i, mouth in enumerate(lips):
        for j, voice in enumerate(envelopes):
            if lengths[i] == lengths[j]:
                table[i, j] = zero_lag_correlation(mouth, voice)
    return table


def _moves(track: Tensor) -> bool:
    values = track[torch.isfinite(track)].double()
    return len(values) >= MIN_FRAMES and float(values.std()) >= FLAT


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
