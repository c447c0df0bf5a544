"""Pictures that come in pieces, so that a clip of any length takes the memory of one piece."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import JoVAError


@dataclass(frozen=True, kw_only=True)
class FrameStream:
    """`count` frames of height × width pixels, as uint8 `[n, H, W, 3]` pieces that follow."""

    count: int
    height: int
    width: int
    pieces: Iterable[Tensor]

    @staticmethod
    def of(frames: Tensor) -> "FrameStream":
        """Frames `[F, H, W, 3]` that are all there, as one piece."""
        count, height, width, _ = frames.shape
        return FrameStream(count=count, height=height, width=width, pieces=[frames])

    def checked(self) -> Iterator[Tensor]:
        """The pieces on the CPU. Raises JoVAError if one is not what was said, or some miss."""
        came = 0
        for piece in self.pieces:
            shape = (len(piece), self.height, self.width, 3)
            if piece.dtype != torch.uint8 or tuple(piece.shape) != shape:
                raise JoVAError(
                    f"A piece of the video stream is {piece.dtype} {list(piece.shape)}; it must "
                    f"be uint8 [frames, {self.height}, {self.width}, 3]."
                )
            came += len(piece)
            yield piece.detach().cpu().contiguous()
        if came != self.count:
            raise JoVAError(
                f"The video stream was said to have {self.count} frames, but {came} came; "
                "say the right number."
            )
