"""Text tokens that are not used: those after a prompt's last, whose features are 0.

Legend: B batch, S text tokens.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ..latents import Conditioning

# Lengths of text without its unused tokens: few, as each is compiled of its own.
_TEXT_STEP = 8


def without_unused(conditioning: Conditioning) -> Conditioning:
    """The conditioning with `used_text` of each encoder."""
    return replace(conditioning, text=tuple(map(used_text, conditioning.text)))


def used_text(text: Tensor) -> Tensor:
    """Features `[B, S, width]` up to the last token that any row uses, in whole steps."""
    last = int(_used(text).sum(dim=1).max())
    return text[:, : -(-last // _TEXT_STEP) * _TEXT_STEP]


def mean_used(tokens: Tensor, conditioning: Conditioning) -> Tensor:
    """The mean `[B, dim]` of each row's own tokens `[B, S, dim]`, those of all encoders in turn."""
    used = torch.cat([_used(features) for features in conditioning.text], dim=1)
    shares = used / used.sum(dim=1, keepdim=True)
    return (shares.to(tokens.dtype).unsqueeze(2) * tokens).sum(dim=1)


def _used(text: Tensor) -> Tensor:
    """Bool `[B, S]`: the tokens of each row up to its last that is not 0, or the first alone."""
    marked = text.any(dim=2).int()
    marked[:, 0] = 1
    return marked.flip(1).cummax(dim=1).values.flip(1).bool()
