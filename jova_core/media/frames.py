"""Frames that come in chunks, so that a clip of any length takes the memory of one chunk."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import JoVAError


@dataclass(frozen=True, kw_only=True)
class FrameStream:
    """`count` frames of height × width pixels, as uint8 `[n, H, W, 3]` chunks that follow."""

    count: int
    height: int
    width: int
    chunks: Iterable[Tensor]

    @staticmethod
    def of(frames: Tensor) -> "FrameStream":
        """Frames `[F, H, W, 3]` that are all there, as one chunk."""
        count, height, width, _ = frames.shape
        return FrameStream(count=count, height=height, width=width, chunks=[frames])

    def checked(self) -> Iterator[Tensor]:
        """The chunks on the CPU. Raises JoVAError for one of another form or a wrong count."""
        arrived = 0
        for chunk in self.chunks:
            shape = (len(chunk), self.height, self.width, 3)
            if chunk.dtype != torch.uint8 or tuple(chunk.shape) != shape:
                raise JoVAError(
                    f"A chunk of the video stream is {chunk.dtype} {list(chunk.shape)}; it must "
                    f"be uint8 [frames, {self.height}, {self.width}, 3]."
                )
            arrived += len(chunk)
            yield chunk.detach().cpu().contiguous()
        if arrived != self.count:
            raise JoVAError(
                f"The video stream was said to have {self.count} frames, but {arrived} came; "
                "say the right number."
            )
