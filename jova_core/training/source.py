"""Where clips to train on come from: files of a user, or anything else that yields the same thing.

Legend: F frames, T video latents, H W pixels, h w latent rows and columns, N samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ..config import JoVAConfig
from ..prompt import Prompt


class RejectedError(Exception):
    """A clip that cannot be trained on; its text is the reason."""


@dataclass(frozen=True, kw_only=True)
class SourceClip:
    """One clip at a config's rates and size, ready to be encoded.

    frames: uint8 `[F, H, W, 3]`, F legal; audio: `[N]`, exactly as long; mouth: bool `[T, h, w]`,
    None where it has to be found; notes: what the user should know, a sentence each.
    """

    frames: Tensor
    audio: Tensor
    prompt: Prompt
    mouth: Tensor | None = None
    notes: tuple[str, ...] = ()


class ClipSource(Protocol):
    """Clips by entries that are cheap to hold and to send to another process."""

    def entries(self) -> Sequence[Any]:
        """What can be read, in order."""
        ...

    def key(self, entry: Any) -> str:
        """16 hex digits that change with everything that decides what `read` returns."""
        ...

    def name(self, entry: Any) -> str:
        """What the entry is called in a report, such as its path."""
        ...

    def needs_mouths(self) -> bool:
        """Whether the mouth of any clip has to be found."""
        ...

    def read(self, entry: Any, config: JoVAConfig) -> SourceClip:
        """The clip. Raises RejectedError, or JoVAError, with the reason."""
        ...
