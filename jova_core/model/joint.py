"""The joint sequence [audio, text_a, text_v, video], and the data of its tokens in every block.

Legend: B batch, S tokens of the sequence, G groups of tokens that share a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..kernels import Layout, Rope
from .streams import branch_of


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One stream as it enters the sequence: n tokens `[B, n, dim]` of the stream called name.

    vec: SiLU of its time embedding `[B, G, dim]`; layout: how many groups, of how many tokens.
    rope: cos and sin `[n, head_dim/2]`; position: learned `[n, dim]` or None.
    """

    name: str
    tokens: Tensor
    vec: Tensor
    layout: tuple[int, int]
    rope: Rope
    position: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Joint:
    """The data of the sequence in all blocks of one kind.

    rows: how many tokens each stream has, in their order. vec: per stream the SiLU of its time
    embedding `[B, G, dim]`; layout: how tokens share those rows, over all streams.
    rope: cos and sin `[S, head_dim/2]`; position: learned `[S, dim]` or None.
    """

    rows: dict[str, int]
    vec: dict[str, Tensor]
    layout: Layout
    rope: Rope
    position: Tensor | None = None

    def shared(self) -> "Joint":
        """The same for single blocks, whose streams are a branch's own tokens with its text."""
        rows, vec = {}, {}
        for name, count in self.rows.items():
            branch = branch_of(name)
            rows[branch] = rows.get(branch, 0) + count
            vec.setdefault(branch, []).append(self.vec[name])
        return replace(self, rows=rows, vec={name: torch.cat(v, 1) for name, v in vec.items()})


def join(segments: Sequence[Segment]) -> tuple[Tensor, Joint]:
    """Segments in the order of the sequence → its tokens `[B, S, dim]` and their data."""
    cos, sin = (torch.cat(parts) for parts in zip(*(s.rope for s in segments), strict=True))
    places = [s.position for s in segments if s.position is not None]
    joint = Joint(
        rows={s.name: s.tokens.shape[1] for s in segments},
        vec={s.name: s.vec for s in segments},
        layout=tuple(s.layout for s in segments),
        rope=(cos, sin),
        position=torch.cat(places) if places else None,
    )
    return torch.cat([s.tokens for s in segments], dim=1), joint
