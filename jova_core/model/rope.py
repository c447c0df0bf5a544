"""Rotary angles of both streams on one time axis (the paper's temporal-aligned RoPE)."""

import torch
from torch import Tensor

from ..config import JoVAConfig
from ..kernels import Rope
from ..timeline import Timeline


def video_rope(config: JoVAConfig, grid: tuple[int, int, int], device: torch.device) -> Rope:
    """cos and sin `[T·h·w, head_dim/2]` of a token grid (T, h, w): time, row and column slices."""
    times = Timeline.of(config).video_positions(grid[0])
    rows, columns = (torch.arange(n, dtype=torch.float32) for n in grid[1:])
    mesh = torch.meshgrid(times, rows, columns, indexing="ij")
    angles = [
        _angles(axis.flatten(), width, config.rope_theta)
        for axis, width in zip(mesh, config.rope_axes, strict=True)
    ]
    return _cos_sin(torch.cat(angles, dim=-1), device)


def audio_rope(config: JoVAConfig, tokens: int, device: torch.device) -> Rope:
    """cos and sin `[tokens, head_dim/2]`: only the temporal slice of a head is rotated."""
    times = audio_positions(config, tokens)
    angles = _angles(times, config.rope_axes[0], config.rope_theta)
    zeros = torch.zeros(tokens, sum(config.rope_axes[1:]) // 2)
    return _cos_sin(torch.cat((angles, zeros), dim=-1), device)


def identity_rope(tokens: int, like: Rope) -> Rope:
    """cos and sin of the angle 0, for text beside the tokens of `like`."""
    cos, sin = like
    return cos.new_ones(tokens, cos.shape[1]), sin.new_zeros(tokens, sin.shape[1])


def audio_positions(config: JoVAConfig, tokens: int) -> Tensor:
    """Time positions `[tokens]` by `rope_time`: aligned, scaled to the video's rate, or 0, 1, 2 …

    `scaled` is the way of earlier systems: rates agree, the middles of intervals do not.
    """
    timeline = Timeline.of(config)
    per_token = config.audio_patch
    if config.rope_time == "aligned":
        return timeline.audio_positions(tokens * per_token, per_token)
    index = torch.arange(tokens, dtype=torch.float32)
    if config.rope_time == "scaled":
        rate = timeline.fps / timeline.temporal_ratio / timeline.audio_rate
        return index * float(rate * per_token)
    return index


def _angles(positions: Tensor, width: int, theta: float) -> Tensor:
    """position · theta^(-2i/width), `[N, width/2]`, in fp32 (arXiv 2104.09864, eq. 15)."""
    exponents = torch.arange(0, width, 2, dtype=torch.float32) / width
    return positions[:, None] * torch.pow(theta, -exponents)[None]


def _cos_sin(angles: Tensor, device: torch.device) -> Rope:
    return angles.cos().to(device), angles.sin().to(device)
