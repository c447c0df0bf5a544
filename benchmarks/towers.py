"""Two rivals of the joint block for the ablation: towers that never meet, and fused towers.

Both keep JoVA's streams, widths and names, so that data, losses, optimiser and sampler are shared.
Legend: B batch, H heads, N tokens, d channels of a head.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from jova_core.config import JoVAConfig
from jova_core.kernels import apply_rope, gated_add, split_heads
from jova_core.model.block import Attention, Block, StreamContext
from jova_core.model.jova import JoVA

TOWERS = (("audio", "text_a", "a"), ("text_v", "video", "v"))


class SeparateBlock(Block):
    """The joint block without cross-modal attention: one attention for each branch and its text."""

    def forward(
        self, x: Mapping[str, Tensor], contexts: Mapping[str, StreamContext], attend: Attention
    ) -> dict[str, Tensor]:
        out: dict[str, Tensor] = {}
        for tower in TOWERS:
            own = {name: x[name] for name in tower if name in x}
            if own:
                out |= super().forward(own, contexts, attend)
        return {name: out[name] for name in x}


class CrossAttention(nn.Module):
    """What one modality takes from the other: its queries, their keys and values, a gate of time.

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

    def qkv_of(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """q, k, v `[B, H, N, d]` of a stream's tokens; the other stream uses k and v."""
        q, k, v = split_heads(
            self.qkv(nn.functional.layer_norm(x, x.shape[-1:], eps=1e-6)), self.heads
        )
        return apply_rope(self.q_norm(q), rope), apply_rope(self.k_norm(k), rope), v


class FusionBlock(SeparateBlock):
    """Separate towers whose sound and pictures then look at each other; text stays in its tower."""

    def __init__(self, block: Block, config: JoVAConfig) -> None:
        super().__init__(dict(block.items()))
        self.texts = config.text_tokens
        self.cross = nn.ModuleDict(
            {"audio": CrossAttention(config), "video": CrossAttention(config)}
        )

    def forward(
        self, x: Mapping[str, Tensor], contexts: Mapping[str, StreamContext], attend: Attention
    ) -> dict[str, Tensor]:
        out = super().forward(x, contexts, attend)
        names = ("audio", "video") if "text_v" in self else ("a", "v")
        if not all(name in x for name in names):
            return out
        counts = [out[name].shape[1] for name in names]
        if names == ("a", "v"):
            rows = (slice(counts[0] - self.texts), slice(self.texts, None))
        else:
            rows = (slice(None), slice(None))
        parts = []
        for name, part, own in zip(names, rows, self.cross, strict=True):
            cos, sin = contexts[name].rope
            parts.append(self.cross[own].qkv_of(out[name][:, part], (cos[part], sin[part])))
        for name, part, own, (q, _, _), (_, k, v) in zip(
            names, rows, self.cross, parts, reversed(parts), strict=True
        ):
            cross, context = self.cross[own], contexts[name]
            added = torch.zeros_like(out[name])
            added[:, part] = cross.proj(attend(q, k, v))
            out[name] = gated_add(out[name], added, cross.mod(context.vec), context.layout)
        return out


def separate(config: JoVAConfig) -> JoVA:
    """A JoVA whose branches never see each other."""
    model = JoVA(config)
    for blocks in (model.double_blocks, model.single_blocks):
        for i, block in enumerate(blocks):
            blocks[i] = SeparateBlock(dict(block.items()))
    return model


def fusion(config: JoVAConfig) -> JoVA:
    """Two towers joined by cross-attention after every block."""
    model = JoVA(config)
    for blocks in (model.double_blocks, model.single_blocks):
        for i, block in enumerate(blocks):
            blocks[i] = FusionBlock(block, config)
    return model
