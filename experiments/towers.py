"""Two rivals of the joint block for the ablation: towers that never meet, and fused towers.

Both keep JoVA's streams, widths and names, so that data, losses, optimiser and sampler are shared.
Legend: B batch, H heads, N tokens, d channels of a head.
"""

from functools import partial

import torch
from torch import Tensor, nn

from jova_core.config import JoVAConfig
from jova_core.kernels import (
    EPS,
    AttentionPlan,
    Rope,
    attention,
    gated_residual,
    joint_attention,
    qk_norm_rope,
    split_heads,
)
from jova_core.model.block import Attend, Block
from jova_core.model.joint import Joint
from jova_core.model.jova import JoVA
from jova_core.model.streams import BRANCHES, MODALITY, branch_of


class SeparateBlock(Block):
    """The joint block without cross-modal attention: one attention for each branch and its text."""

    def forward(self, x: Tensor, joint: Joint, attend: Attend) -> Tensor:  # noqa: ARG002
        counts = dict.fromkeys("av", 0)
        for name, count in joint.rows.items():
            counts[branch_of(name)] += count
        plan = AttentionPlan.of("isolated", counts["a"], counts["v"])
        return super().forward(x, joint, partial(joint_attention, plan=plan))


class CrossAttention(nn.Module):
    """Cross-attention from one modality to the other, with a time-dependent gate.

    Ovi (arXiv 2510.01284) joins twin towers by such a pair in every block; queries and keys carry
    the positions of their own stream.
    """

    def __init__(self, config: JoVAConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.dim, 3 * config.dim)
        self.q_norm = nn.RMSNorm(config.head_dim, eps=1e-6)
        self.k_norm = nn.RMSNorm(config.head_dim, eps=1e-6)
        self.proj = nn.Linear(config.dim, config.dim)
        self.mod = nn.Linear(config.dim, config.dim)

    def qkv_of(self, x: Tensor, rope: Rope) -> tuple[Tensor, Tensor, Tensor]:
        """q, k, v `[B, H, N, d]` of a stream; the other stream attends to k and v."""
        normed = nn.functional.layer_norm(x, x.shape[-1:], eps=EPS)
        packed = self.qkv(normed).unflatten(-1, (3, self.heads, -1))
        weights = torch.stack((self.q_norm.weight, self.k_norm.weight))[None]
        return split_heads(qk_norm_rope(packed, weights, rope, [x.shape[1]]))


class FusionBlock(SeparateBlock):
    """Separate towers, then cross-attention between audio and video; text stays in its tower."""

    def __init__(self, block: Block, config: JoVAConfig) -> None:
        super().__init__(dict(block.items()), config.heads)
        self.texts = config.text_tokens
        self.cross = nn.ModuleDict(
            {"audio": CrossAttention(config), "video": CrossAttention(config)}
        )

    def forward(self, x: Tensor, joint: Joint, attend: Attend) -> Tensor:
        x = super().forward(x, joint, attend)
        if {branch_of(name) for name in joint.rows} != set(BRANCHES):
            return x
        audio = joint.rows.get("audio", joint.rows.get("a", 0) - self.texts)
        rows = {"audio": slice(0, audio), "video": slice(audio + 2 * self.texts, None)}
        cos, sin = joint.rope
        packed = {
            name: self.cross[name].qkv_of(x[:, part], (cos[part], sin[part]))
            for name, part in rows.items()
        }
        added = []
        for name, other in (("audio", "video"), ("video", "audio")):
            cross, (q, _, _), (_, k, v) = self.cross[name], packed[name], packed[other]
            added.append(cross.proj(attention(q, k, v)))
        text = x.new_zeros(len(x), 2 * self.texts, x.shape[2])
        return gated_residual(
            x, torch.cat((added[0], text, added[1]), dim=1), self._gates(joint), joint.layout
        )

    def _gates(self, joint: Joint) -> Tensor:
        """Gates `[B, G, dim]` of all groups; those of the text rows are unused."""
        each = [self.cross[MODALITY[branch_of(n)]].mod(vec) for n, vec in joint.vec.items()]
        return torch.cat(each, dim=1)


def separate(config: JoVAConfig) -> JoVA:
    """A JoVA whose branches never see each other."""
    model = JoVA(config)
    for blocks in (model.double_blocks, model.single_blocks):
        for i, block in enumerate(blocks):
            blocks[i] = SeparateBlock(dict(block.items()), config.heads)
    return model


def fusion(config: JoVAConfig) -> JoVA:
    """Two towers joined by cross-attention after every block."""
    model = JoVA(config)
    for blocks in (model.double_blocks, model.single_blocks):
        for i, block in enumerate(blocks):
            blocks[i] = FusionBlock(block, config)
    return model
