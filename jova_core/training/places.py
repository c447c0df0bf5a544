"""Joint steps on a part of the pictures: some places of them, the same in every frame.

After MaskDiT (arXiv 2306.09305), which drops most tokens in training; that the mouth's always stay
is ours. A clip of two seconds at a third of its places takes less than half of the work.
Legend: B batch, S tokens of the joint sequence, T latent frames, h w latent rows and columns, P
places, the tokens of a latent frame.
"""

from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..kernels import AttentionPlan, joint_attention
from ..model.block import Attend, Block, RunBlock
from ..model.joint import Joint


@dataclass(frozen=True)
class Places:
    """The places that a step computes, rising numbers `[P]`, and how many a latent frame has."""

    kept: Tensor
    of: int


def choose_places(
    mouth: Tensor, patch: tuple[int, int, int], share: float, generator: torch.Generator
) -> Places:
    """The places that a batch keeps, by its mouth masks `[B, 1, T, h, w]`.

    Those where any mouth of the batch is, and of the others so many as `share` leaves, at random.
    """
    per_place = tokens_of(mouth.amax(dim=(0, 1, 2))[None], patch)[0]
    chance = torch.rand(len(per_place), generator=generator) + per_place.cpu()
    count = max(1, round(share * len(per_place)))
    kept = chance.topk(count).indices.sort().values
    return Places(kept.to(mouth.device), len(chance))


def tokens_of(mask: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """Masks `[..., h, w]` → `[..., P]`, 1 for the tokens that any of a mask falls on."""
    _, rows, columns = patch
    seen = F.pad(mask, (0, -mask.shape[-1] % columns, 0, -mask.shape[-2] % rows))
    return F.max_pool2d(seen, (rows, columns)).flatten(-2)


def cells_of(places: Places, patch: tuple[int, int, int], size: tuple[int, int]) -> Tensor:
    """The cells `[h, w]` of some places: 1 in them, else 0."""
    _, rows, columns = patch
    grid = torch.zeros(places.of, device=places.kept.device)
    grid[places.kept] = 1
    whole = (
        grid.view(-(-size[0] // rows), -(-size[1] // columns))
        .repeat_interleave(rows, 0)
        .repeat_interleave(columns, 1)
    )
    return whole[: size[0], : size[1]]


def only_places(run: RunBlock, places: Places) -> RunBlock:
    """`run` that computes only some places of every latent frame.

    The tokens of the others go by every block as they are; their output means nothing.
    """

    def call(block: Block, place: tuple[str, int], x: Tensor, joint: Joint, _: Attend) -> Tensor:
        kept, part = _part(joint, places)
        plan = AttentionPlan.of("full", 0, len(kept))
        attend = partial(joint_attention, plan=plan)
        return x.index_copy(1, kept, run(block, place, x[:, kept], part, attend))

    return call


def _part(joint: Joint, places: Places) -> tuple[Tensor, Joint]:
    """The rows of the sequence that stay, and their data; the video is the last stream."""
    cos, sin = joint.rope
    *others, (groups, size) = joint.layout
    first, device = len(cos) - groups * size, places.kept.device
    starts = torch.arange(first, len(cos), places.of, device=device)
    video = (starts[:, None] + places.kept).flatten()
    kept = torch.cat((torch.arange(first, device=device), video))
    rows = dict(joint.rows)
    rows[list(rows)[-1]] -= len(cos) - len(kept)
    part = replace(
        joint,
        rows=rows,
        layout=(*others, (groups, len(video) // groups)),
        rope=(cos[kept], sin[kept]),
        position=None if joint.position is None else joint.position[kept],
    )
    return kept, part
