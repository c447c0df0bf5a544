"""Which rows of the joint sequence look at which, as unmasked attention over contiguous ranges.

The token order [audio, text_a, text_v, video] makes every grouping of the modalities a few ranges:
no mask is built, every backend works, and what is not looked at costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

Range = tuple[int, int]  # first row, row after the last
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
Mode = Literal["full", "isolated", "video_sees_audio", "audio_sees_video", "exact_audio"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """The queries of one range and the keys that they see.

    exact: computed in full precision where the rest may use a quantised attention.
    """

    queries: Range
    keys: Range
    exact: bool = False


@dataclass(frozen=True, kw_only=True)
class AttentionPlan:
    """Parts in the order of their queries, which together are all rows."""

    parts: tuple[Part, ...]

    @staticmethod
    def of(mode: Mode, audio: int, video: int) -> "AttentionPlan":
        """The plan of a sequence of `audio` rows, text included, then `video` rows with theirs.

        full: everything sees everything. isolated: each branch sees itself. video_sees_audio and
        audio_sees_video: one branch sees all, the other itself. exact_audio: as full, the rows of
        the sound computed exactly. ValueError for another mode.
        """
        if mode not in get_args(Mode):
            raise ValueError(f"The attention {mode!r} is none of {', '.join(get_args(Mode))}.")
        a, v, both = (0, audio), (audio, audio + video), (0, audio + video)
        if mode == "full" or not audio or not video:
            return AttentionPlan(parts=(Part(queries=both, keys=both),))
        if mode == "exact_audio":
            first, second = Part(queries=a, keys=both, exact=True), Part(queries=v, keys=both)
            return AttentionPlan(parts=(first, second))
        first = Part(queries=a, keys=both if mode == "audio_sees_video" else a)
        second = Part(queries=v, keys=both if mode == "video_sees_audio" else v)
        return AttentionPlan(parts=(first, second))


def planned_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    plan: AttentionPlan,
    attend: Attend,
    exact: Attend | None = None,
) -> Tensor:
    """Attention of `[B, H, N, d]` by a plan → `[B, N, H·d]`.

    `exact` computes the parts that ask for it; by default `attend` does.
    """
    rows = [
        (exact if part.exact and exact is not None else attend)(
            q[:, :, slice(*part.queries)], k[:, :, slice(*part.keys)], v[:, :, slice(*part.keys)]
        )
        for part in plan.parts
    ]
    return rows[0] if len(rows) == 1 else torch.cat(rows, dim=1)
