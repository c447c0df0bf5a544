"""JoVA, the unified transformer: latents of both streams and text in, velocities of both out.

Dual-stream blocks give audio, audio text, video text and video weights of their own; single-stream
blocks share them within [audio, audio text] and [video text, video]. Every layer is one attention
over all tokens: no cross-attention, no fusion module (arXiv 2512.13677, figure 2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import JoVAConfig
from ..kernels import (
    AttentionPlan,
    Mode,
    Rope,
    attention,
    joint_attention,
    planned_attention,
    split_heads,
)
from ..latents import AVLatents, Conditioning
from .block import RunBlock, call_block, dual_block, single_block
from .checks import check_input
from .joint import Segment, join
from .layers import FinalConv, OutputHead, TextEmbed, VectorEmbed, timestep_features
from .patches import audio_latent, audio_tokens, video_latent, video_tokens
from .rope import audio_positions, audio_rope, identity_rope, video_rope
from .streams import MODALITY
from .unused_text import mean_used, without_unused

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


class LearnedPosition(nn.Module):
    """A learned position added to the tokens that enter each attention, factorised (Waver)."""

    def __init__(self, dim: int, size: tuple[int, ...], *, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.tables = nn.ModuleList(ops.Embedding(length, dim, **kw) for length in size)

    def video(self, grid: tuple[int, int, int], device: torch.device) -> Tensor:
        """`[T·h·w, dim]`: the sum of a time, a row and a column entry."""
        t, h, w = (
            table(torch.arange(n, device=device))
            for table, n in zip(self.tables, grid, strict=True)
        )
        return (t[:, None, None] + h[None, :, None] + w[None, None]).flatten(0, 2)

    def audio(self, positions: Tensor) -> Tensor:
        """`[N, dim]`: the time table between its entries, at positions `[N]`."""
        table = self.tables[0]
        last = table.num_embeddings - 1
        below = positions.floor().clamp(0, last).long()
        share = (positions - below).clamp(0, 1)[:, None].to(positions.dtype)
        low, high = table(below), table((below + 1).clamp(max=last))
        return torch.lerp(low, high, share.to(low.dtype))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A branch as it enters the blocks: its tokens, its text and their time embeddings.

    tokens: `[B, N, dim]`; text: `[B, S, dim]`; vec: SiLU of the time embedding `[B, 1 + G, dim]`,
    first the text's row, then one for each group of tokens that shares a time.
    """

    tokens: Tensor
    text: Tensor
    vec: Tensor


class Branch(nn.Module):
    """The layers of one modality besides its blocks: input, text, time and output."""

    def __init__(
        self, config: JoVAConfig, channels: tuple[int, int], *, ops: Any, **kw: Any
    ) -> None:
        super().__init__()
        self.config = config
        dim, layers = config.dim, {"ops": ops, **kw}
        pooled = dim if config.pooled_from_text else config.pooled_width
        self.input = ops.Linear(channels[0], dim, **kw)
        self.text_in = nn.ModuleList(TextEmbed(e.width, config, **layers) for e in config.text)
        self.time_in = VectorEmbed(config.time_width, dim, **layers)
        self.vector_in = VectorEmbed(pooled, dim, added=True, **layers) if pooled else None
        self.guidance_in = (
            VectorEmbed(config.time_width, dim, added=True, **layers)
            if config.guidance_embed
            else None
        )
        self.final = OutputHead(dim, channels[1], silu=config.head_silu == "twice", **layers)

    def forward(
        self, patches: Tensor, t: Tensor, conditioning: Conditioning, attend: Attention
    ) -> Entry:
        """Embed patches `[B, N, channels]` and text; t is `[B]` or `[B, G]`, a row per group."""
        x = self.input(patches)
        dtype = x.dtype
        t = t[:, None] if t.ndim == 1 else t
        scalar = t.amax(dim=1)
        texts = [
            embed(features.to(dtype), scalar, attend)
            for embed, features in zip(self.text_in, conditioning.text, strict=True)
        ]
        text = torch.cat(texts, dim=1)
        times = torch.cat((scalar[:, None], t), dim=1)
        vec = self.time_in(timestep_features(times, self.config.time_width).to(dtype))
        if self.vector_in is not None:
            pooled = conditioning.pooled
            if self.config.pooled_from_text:
                dropped = self.config.unused_text == "dropped"
                pooled = mean_used(text, conditioning) if dropped else text.mean(dim=1)
            vec = vec + self.vector_in(pooled.to(dtype)).unsqueeze(1)
        if self.guidance_in is not None:
            strength = timestep_features(1000 * conditioning.guidance, self.config.time_width)
            vec = vec + self.guidance_in(strength.to(dtype)).unsqueeze(1)
        return Entry(tokens=x, text=text, vec=F.silu(vec))


class JoVA(nn.Module):
    """The whole network; `ops` is the namespace of its layers: `torch.nn`, or `comfy.ops`."""

    def __init__(
        self,
        config: JoVAConfig,
        *,
        ops: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        kw = {"ops": ops, "dtype": dtype, "device": device}
        area = config.patch[1] * config.patch[2]
        video = (config.video_in_channels * area, config.video.channels * area)
        audio = (config.audio.channels * config.audio_patch,) * 2
        self.branches = nn.ModuleDict(
            {"v": Branch(config, video, **kw), "a": Branch(config, audio, **kw)}
        )
        self.position = None
        if config.learned_pos == "factorised":
            self.position = LearnedPosition(config.dim, config.learned_pos_size, **kw)
        self.double_blocks = nn.ModuleList(
            dual_block(config, **kw) for _ in range(config.dual_blocks)
        )
        self.single_blocks = nn.ModuleList(
            single_block(config, **kw) for _ in range(config.single_blocks)
        )
        self.final_conv = None
        if config.final_conv:
            self.final_conv = FinalConv(config.video.channels, config.final_conv, config.dim, **kw)

    def forward(
        self,
        x: AVLatents,
        t_video: Tensor,
        t_audio: Tensor,
        conditioning: Conditioning,
        attend: Attention = attention,
        *,
        run: RunBlock = call_block,
        mode: Mode = "full",
        exact: Attention | None = None,
        whole: bool = True,
    ) -> AVLatents:
        """Velocity ε − x₀ of each present stream.

        x: normalised noisy latents, `[B, C, T, H, W]` and `[B, C_a, L]`; either may be None.
        t_video: 1000·σ, `[B]` or `[B, T]`; t_audio: `[B]` or `[B, L / audio_patch]`; a given
        (clean) latent has 0.
        Text is modulated by the scalar time of its branch: the largest of its latents.
        attend and run (see `call_block`): a host's own attention and offloading.
        mode: which branch sees the other (see `AttentionPlan`); exact: the attention for rows that
        must not be quantised. whole: False leaves out the last convolutions, where some tokens do
        not count.
        """
        check_input(self.config, x, t_video, t_audio, conditioning)
        if self.config.unused_text == "dropped":
            conditioning = without_unused(conditioning)
        entries: dict[str, Entry] = {}
        grid = (0, 0, 0)
        if x.audio is not None:
            patches = audio_tokens(x.audio, self.config.audio_patch)
            entries["a"] = self.branches["a"](patches, t_audio, conditioning, attend)
        if x.video is not None:
            patches, grid = video_tokens(self._with_image(x.video, conditioning), self.config.patch)
            entries["v"] = self.branches["v"](patches, t_video, conditioning, attend)
        segments = [self._segments(name, entry, grid) for name, entry in entries.items()]
        tokens, joint = join([segment for both in segments for segment in both])
        sizes = {n: e.tokens.shape[1] + e.text.shape[1] for n, e in entries.items()}
        plan = AttentionPlan.of(mode, sizes.get("a", 0), sizes.get("v", 0))
        attend_joint = partial(_attend, plan=plan, attend=attend, exact=exact)
        for i, block in enumerate(self.double_blocks):
            tokens = run(block, ("double_block", i), tokens, joint, attend_joint)
        joint = joint.shared()
        for i, block in enumerate(self.single_blocks):
            tokens = run(block, ("single_block", i), tokens, joint, attend_joint)
        return self._finish(x, tokens, entries, grid, whole=whole)

    def _segments(self, name: str, entry: Entry, grid: tuple[int, ...]) -> list[Segment]:
        """A branch's own tokens and its text in the order of the joint sequence.

        grid: frames, rows and columns of the video tokens.
        """
        count, groups = entry.tokens.shape[1], entry.vec.shape[1] - 1
        texts = entry.text.shape[1]
        shape = grid if name == "v" else (count,)
        rope, position = self._positions(name, shape, entry.tokens.device)
        own = Segment(
            name=MODALITY[name],
            tokens=entry.tokens,
            vec=entry.vec[:, 1:],
            layout=(groups, count // groups),
            rope=rope,
            position=position,
        )
        text = Segment(
            name=f"text_{name}",
            tokens=entry.text,
            vec=entry.vec[:, :1],
            layout=(1, texts),
            rope=identity_rope(texts, rope),
            position=None if position is None else position.new_zeros(texts, position.shape[1]),
        )
        return [own, text] if name == "a" else [text, own]

    def _positions(
        self, name: str, grid: tuple[int, ...], device: torch.device
    ) -> tuple[Rope, Tensor | None]:
        """Angles of a branch's own tokens, and learned positions, if the config has them."""
        config, learned = self.config, self.position
        if name == "v":
            rope = video_rope(config, grid, device)
            return rope, None if learned is None else learned.video(grid, device)
        rope = audio_rope(config, grid[0], device)
        places = audio_positions(config, grid[0]).to(device)
        return rope, None if learned is None else learned.audio(places)

    def _with_image(self, video: Tensor, conditioning: Conditioning) -> Tensor:
        """Append the given picture's latent and its mask, or zeros."""
        config = self.config
        b, _, *rest = video.shape
        image, mask = conditioning.image, conditioning.image_mask
        if image is None or mask is None:
            extra = config.image_channels + config.mask_channels
            return torch.cat((video, video.new_zeros(b, extra, *rest)), dim=1)
        mask = mask.to(video.dtype).expand(b, config.mask_channels, *rest)
        return torch.cat((video, image.to(video.dtype).expand(b, -1, *rest), mask), dim=1)

    def _finish(
        self,
        x: AVLatents,
        tokens: Tensor,
        entries: Mapping[str, Entry],
        grid: tuple[int, int, int],
        *,
        whole: bool,
    ) -> AVLatents:
        """Velocities from each branch's own rows, which stand at the ends of the sequence."""
        video = audio = None
        if x.video is not None:
            rows = self._head("v", tokens[:, -entries["v"].tokens.shape[1] :], entries["v"])
            video = video_latent(rows, grid, self.config.patch, tuple(x.video.shape[3:]))
            if self.final_conv is not None and whole:
                video = self.final_conv(video, x.video, entries["v"].vec[:, 1:])
        if x.audio is not None:
            rows = self._head("a", tokens[:, : entries["a"].tokens.shape[1]], entries["a"])
            audio = audio_latent(rows, self.config.audio_patch, x.audio.shape[2])
        return AVLatents(video=video, audio=audio)

    def _head(self, name: str, tokens: Tensor, entry: Entry) -> Tensor:
        groups = entry.vec.shape[1] - 1
        layout = ((groups, tokens.shape[1] // groups),)
        return self.branches[name].final(tokens, entry.vec[:, 1:], layout)


def _attend(
    qkv: Tensor, *, plan: AttentionPlan, attend: Attention, exact: Attention | None
) -> Tensor:
    """Attention of packed qkv by a plan: our own kernels, or a host's function."""
    if attend is attention:
        return joint_attention(qkv, plan)
    return planned_attention(*split_heads(qkv), plan=plan, attend=attend, exact=exact)
