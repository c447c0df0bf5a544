"""Which sound of the transcript each audio latent speaks, as a term of the loss.

Half way through the blocks an audio token shall resemble the text token of the sound that it
speaks. After REPA (arXiv 2410.06940), which ties middle layers to features of a frozen encoder;
that the features are the network's own text tokens is ours: it needs no weights, and nothing at
inference.
Legend: B batch, n sounds, L audio latents, S tokens of the joint sequence.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import JoVAConfig
from ..errors import JoVAError
from ..model.block import Attend, Block, RunBlock
from ..model.joint import Joint


def check_alignment(config: JoVAConfig) -> None:
    """JoVAError for a config whose text does not begin with the transcript's sounds."""
    if config.prompt.order[0] != "transcript" or len(config.text) != 1:
        raise JoVAError(
            "--alignment-weight needs a text encoder whose first tokens are the sounds of the "
            "transcript, as that of the preset mini2 is; leave it at 0 here."
        )


def heard_sounds(times: Tensor, latents: int, rate: float) -> Tensor:
    """The sound that each of `latents` audio latents speaks, int16 `[L]`; -1 for none.

    times: start and end in seconds of each sound of the transcript, `[n, 2]`, NaN where unknown;
    rate: latents per second.
    """
    middles = (torch.arange(latents) + 0.5) / rate
    start, end = times.unbind(1)
    inside = (start[:, None] <= middles) & (middles < end[:, None])
    return torch.where(inside.any(0), inside.int().argmax(0), -1).short()


@dataclass(frozen=True)
class Heard:
    """The sounds that the samples of a batch speak, `heard_sounds` each: `[B, L]`.

    place: the block after which they are told apart.
    """

    sounds: Tensor
    place: tuple[str, int]

    @staticmethod
    def of(sounds: Tensor, config: JoVAConfig) -> "Heard":
        """Told apart half way through the blocks of a config."""
        half = (config.dual_blocks + config.single_blocks) // 2 - 1
        shared = half - config.dual_blocks
        return Heard(sounds, ("double_block", half) if shared < 0 else ("single_block", shared))


class AlignmentLoss:
    """A `run` for the network that measures, in passing, how well sounds are told apart.

    After the network's pass `value` is the mean cross-entropy `[B]` over the latents that speak.
    """

    def __init__(self, run: RunBlock, heard: Heard) -> None:
        self.run, self.heard = run, heard
        self.value = torch.zeros(len(heard.sounds), device=heard.sounds.device)

    def __call__(
        self, block: Block, place: tuple[str, int], x: Tensor, joint: Joint, attend: Attend
    ) -> Tensor:
        """As `call_block`."""
        x = self.run(block, place, x, joint, attend)
        if place == self.heard.place:
            groups, size = joint.layout[0]
            self.value = _errors(x, groups * size, self.heard.sounds)
        return x


def _errors(x: Tensor, tokens: int, heard: Tensor) -> Tensor:
    """Cross-entropy `[B]` in the sequence x [audio, text_a, …], `[B, S, dim]`, of so many audio."""
    speaks = (heard >= 0).float()
    last = int(heard.max()) + 1
    if not last:
        return speaks.sum(1)
    rows = F.layer_norm(x[:, : tokens + last].float(), x.shape[-1:])
    scores = rows[:, :tokens] @ rows[:, tokens:].mT / x.shape[-1] ** 0.5
    scores = scores.repeat_interleave(heard.shape[1] // tokens, 1).flatten(0, 1)
    target = heard.long().flatten()
    errors = F.cross_entropy(scores, target, ignore_index=-1, reduction="none")
    return errors.view_as(speaks).sum(1) / speaks.sum(1).clamp(min=1)
