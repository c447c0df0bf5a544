"""JoVA, the unified transformer: latents of both streams and text in, velocities of both out.

Dual-stream blocks give audio, audio text, video text and video weights of their own; single-stream
blocks share them within [audio, audio text] and [video text, video]. Every layer is one attention
over all tokens: no cross-attention, no fusion module (arXiv 2512.13677, figure 2).
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import JoVAConfig, JoVAError
from ..kernels import attention
from ..latents import AVLatents, Conditioning
from .block import Attention, StreamContext, dual_block, single_block
from .layers import OutputHead, TextEmbed, VectorEmbed, timestep_features
from .patches import audio_latent, audio_tokens, video_latent, video_tokens
from .rope import audio_positions, audio_rope, video_rope


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


class Branch(nn.Module):
    """What one modality has besides its blocks: input, text, time, position and output layers."""

    def __init__(
        self, config: JoVAConfig, channels: tuple[int, int], *, ops: Any, **kw: Any
    ) -> None:
        super().__init__()
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
        self.final = OutputHead(dim, channels[1], **layers)


class JoVA(nn.Module):
    """The whole network; `ops` is where layers come from: `torch.nn`, or `comfy.ops`."""

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

    def forward(
        self,
        x: AVLatents,
        t_video: Tensor,
        t_audio: Tensor,
        conditioning: Conditioning,
        attend: Attention = attention,
    ) -> AVLatents:
        """Velocity ε − x₀ of each stream that is present.

        x: normalised noisy latents, `[B, C, T, H, W]` and `[B, C_a, L]`; either may be None.
        t_video: 1000·σ, `[B]` or `[B, T]`; t_audio: `[B]` or `[B, L / audio_patch]`; a given
        (clean) latent has 0.
        Text is modulated by the scalar time of its branch: the largest of its latents.
        """
        self._check_input(x)
        tokens: dict[str, Tensor] = {}
        contexts: dict[str, StreamContext] = {}
        grid = (0, 0, 0)
        if x.audio is not None:
            tokens["audio"] = self.branches["a"].input(
                audio_tokens(x.audio, self.config.audio_patch)
            )
            count = tokens["audio"].shape[1]
            self._begin("a", "audio", tokens, contexts, t_audio, (count,), conditioning, attend)
        if x.video is not None:
            patches, grid = video_tokens(self._with_image(x.video, conditioning), self.config.patch)
            tokens["video"] = self.branches["v"].input(patches)
            self._begin("v", "video", tokens, contexts, t_video, grid, conditioning, attend)
        tokens = {
            name: tokens[name] for name in ("audio", "text_a", "text_v", "video") if name in tokens
        }
        for block in self.double_blocks:
            tokens = block(tokens, contexts, attend)
        tokens, contexts = _join(tokens, contexts)
        for block in self.single_blocks:
            tokens = block(tokens, contexts, attend)
        return self._finish(x, tokens, contexts, grid)

    def _begin(
        self,
        name: str,
        stream: str,
        tokens: dict[str, Tensor],
        contexts: dict[str, StreamContext],
        t: Tensor,
        grid: tuple[int, ...],
        conditioning: Conditioning,
        attend: Attention,
    ) -> None:
        """Add the branch's text tokens and the contexts of its text and its own stream."""
        branch, dtype, device = self.branches[name], tokens[stream].dtype, tokens[stream].device
        t = t[:, None] if t.ndim == 1 else t
        scalar = t.amax(dim=1)
        text = torch.cat(
            [
                embed(features.to(dtype), scalar, attend)
                for embed, features in zip(branch.text_in, conditioning.text, strict=True)
            ],
            dim=1,
        )
        times = torch.cat((scalar[:, None], t), dim=1)
        vec = branch.time_in(timestep_features(times, self.config.time_width).to(dtype))
        pooled = text.mean(dim=1) if self.config.pooled_from_text else conditioning.pooled
        if branch.vector_in is not None:
            vec = vec + branch.vector_in(pooled.to(dtype)).unsqueeze(1)
        if branch.guidance_in is not None:
            strength = timestep_features(conditioning.guidance, self.config.time_width)
            vec = vec + branch.guidance_in(strength.to(dtype)).unsqueeze(1)
        vec = F.silu(vec)
        tokens[f"text_{name}"] = text
        contexts[f"text_{name}"] = StreamContext(vec=vec[:, :1], layout=((1, text.shape[1]),))
        count, groups = tokens[stream].shape[1], t.shape[1]
        rope, position = self._positions(name, grid, device)
        contexts[stream] = StreamContext(
            vec=vec[:, 1:], layout=((groups, count // groups),), rope=rope, position=position
        )

    def _positions(
        self, name: str, grid: tuple[int, ...], device: torch.device
    ) -> tuple[tuple[Tensor, Tensor], Tensor | None]:
        config, learned = self.config, self.position
        if name == "v":
            return video_rope(config, grid, device), learned and learned.video(grid, device)
        places = audio_positions(config, grid[0]).to(device)
        return audio_rope(config, grid[0], device), learned and learned.audio(places)

    def _with_image(self, video: Tensor, conditioning: Conditioning) -> Tensor:
        """Append the given picture's latent and its mask, zeros where nothing is given."""
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
        tokens: Mapping[str, Tensor],
        contexts: Mapping[str, StreamContext],
        grid: tuple[int, int, int],
    ) -> AVLatents:
        config, texts, video, audio = self.config, self.config.text_tokens, None, None
        if x.video is not None:
            context = contexts["v"]
            rows = self.branches["v"].final(
                tokens["v"][:, texts:], context.vec[:, 1:], context.layout[1:]
            )
            video = video_latent(rows, grid, config.patch, tuple(x.video.shape[3:]))
        if x.audio is not None:
            context = contexts["a"]
            rows = self.branches["a"].final(
                tokens["a"][:, :-texts], context.vec[:, :-1], context.layout[:-1]
            )
            audio = audio_latent(rows, config.audio_patch, x.audio.shape[2])
        return AVLatents(video=video, audio=audio)

    def _check_input(self, x: AVLatents) -> None:
        config = self.config
        if x.video is None and x.audio is None:
            raise JoVAError("Neither a video nor an audio latent came; give at least one.")
        if x.video is not None and (x.video.ndim != 5 or x.video.shape[1] != config.video.channels):
            raise JoVAError(
                f"A video latent of shape {tuple(x.video.shape)} came; this model needs "
                f"[B, {config.video.channels}, T, H/{config.video.spatial_ratio}, W/…]."
            )
        if x.audio is not None and (x.audio.ndim != 3 or x.audio.shape[1] != config.audio.channels):
            raise JoVAError(
                f"An audio latent of shape {tuple(x.audio.shape)} came; this model needs "
                f"[B, {config.audio.channels}, L]."
            )


def _join(
    tokens: Mapping[str, Tensor], contexts: Mapping[str, StreamContext]
) -> tuple[dict[str, Tensor], dict[str, StreamContext]]:
    """Four streams → two: [audio, text_a] and [text_v, video], tokens, times and angles alike."""
    pairs = {"a": ("audio", "text_a"), "v": ("text_v", "video")}
    joined = {name: pair for name, pair in pairs.items() if pair[0] in tokens}
    return (
        {name: torch.cat([tokens[p] for p in pair], dim=1) for name, pair in joined.items()},
        {
            name: _join_contexts([contexts[p] for p in pair], [tokens[p].shape[1] for p in pair])
            for name, pair in joined.items()
        },
    )


def _join_contexts(pair: list[StreamContext], counts: list[int]) -> StreamContext:
    turned = next(context.rope for context in pair if context.rope is not None)
    still = [
        (turned[0].new_ones(n, turned[0].shape[1]), turned[1].new_zeros(n, turned[1].shape[1]))
        for n in counts
    ]
    ropes = [c.rope if c.rope is not None else s for c, s in zip(pair, still, strict=True)]
    position = next((context.position for context in pair if context.position is not None), None)
    if position is not None:
        position = torch.cat(
            [
                c.position if c.position is not None else position.new_zeros(n, position.shape[1])
                for c, n in zip(pair, counts, strict=True)
            ]
        )
    return StreamContext(
        vec=torch.cat([context.vec for context in pair], dim=1),
        layout=pair[0].layout + pair[1].layout,
        rope=(torch.cat([r[0] for r in ropes]), torch.cat([r[1] for r in ropes])),
        position=position,
    )


def initialise(model: JoVA, seed: int) -> None:
    """Xavier weights, zero biases, zero modulation gates and heads (adaLN-Zero, DiT).

    Every block starts as the identity and the whole network as the velocity 0.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02, generator=generator)
    for name, module in model.named_modules():
        if name.endswith((".mod", ".final.linear")):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
