"""Sources of clips to train on: files of a user, or anything else that yields `SourceClip`s.

Legend: F frames, T video latents, H W pixels, h w latent rows and columns, N samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ..config import JoVAConfig
from ..prompt import Prompt


class RejectedError(Exception):
    """A clip unfit for training; its text is the reason."""


@dataclass(frozen=True, kw_only=True)
class SourceClip:
    """One clip at a config's rates and size, ready to be encoded.

    frames: uint8 `[F, H, W, 3]`, F legal, or 0 for a voice alone in a stream; audio: `[N]`, exactly
    as long; mouth: bool `[T, h, w]`, None if it has to be found; disguised: `[N]`, the same speech
    in another voice and room, to be given in its place; sounds: float32 `[n, 2]`, start and end in
    seconds of each sound of the transcript, NaN where unknown; notes: remarks for the user, a
    sentence each.
    """

    frames: Tensor
    audio: Tensor
    prompt: Prompt
    mouth: Tensor | None = None
    disguised: Tensor | None = None
    sounds: Tensor | None = None
    notes: tuple[str, ...] = ()


class ClipSource(Protocol):
    """Clips by entries, which are cheap to keep and to send to another process."""

    def entries(self) -> Sequence[Any]:
        """The entries in order."""
        ...

    def key(self, entry: Any) -> str:
        """16 hex digits, a fingerprint of everything behind the result of `read`."""
        ...

    def name(self, entry: Any) -> str:
        """The entry's name in a report, such as its path."""
        ...

    def needs_mouths(self) -> bool:
        """Whether the mouth of any clip has to be found."""
        ...

    def read(self, entry: Any, config: JoVAConfig) -> SourceClip:
        """The clip. Raises RejectedError, or JoVAError, with the reason."""
        ...
