"""Pictures as files hold them and as the video codec sees them."""

import torch
from torch import Tensor


def to_video(frames: Tensor) -> Tensor:
    """uint8 frames `[F, H, W, 3]` → a codec batch `[1, 3, F, H, W]` in [-1, 1]."""
    return (frames.permute(3, 0, 1, 2).float() / 127.5 - 1)[None]


def to_frames(video: Tensor) -> Tensor:
    """A codec batch of one `[1, 3, F, H, W]` → uint8 frames `[F, H, W, 3]`, clipped."""
    pixels = ((video[0].float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(1, 2, 3, 0).contiguous()
