"""Pictures as files hold them and as video codecs see them."""

import torch
from einops import rearrange
from torch import Tensor


def to_video(frames: Tensor) -> Tensor:
    """uint8 frames `[F, H, W, 3]` → a codec batch `[1, 3, F, H, W]` in [-1, 1]."""
    return rearrange(frames.float() / 127.5 - 1, "f h w c -> 1 c f h w")


def to_frames(video: Tensor) -> Tensor:
    """A codec batch of one `[1, 3, F, H, W]` → uint8 frames `[F, H, W, 3]`, clipped."""
    pixels = ((video.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return rearrange(pixels, "1 c f h w -> f h w c").contiguous()
