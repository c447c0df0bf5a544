"""Which sound of the transcript is spoken when, as a term of the loss.

Half way through the blocks an audio token shall resemble the text token of the sound that it
speaks, and the video tokens of the mouth that of the sound that it forms, each in its own branch.
After REPA (arXiv 2410.06940), which ties middle layers to features of a frozen encoder; that the
features are the network's own text tokens is ours: it needs no weights, and nothing at inference.
Legend: B batch, n sounds, L audio latents, T latent frames, P tokens of one, S tokens of the joint
sequence.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import JoVAConfig
from ..errors import JoVAError
from ..kernels import Layout
from ..model.block import Attend, Block, RunBlock
from ..model.joint import Joint
from ..timeline import Timeline
from .places import tokens_of


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


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The sounds that the samples of a batch speak, `heard_sounds` each: `[B, L]`.

    place: the block after which they are told apart. mouth: 1 for the tokens where the mouth is,
    `[B, T, P]`, None without pictures; frame: the latent frame of each audio latent, `[L]`.
    """

    sounds: Tensor
    place: tuple[str, int]
    mouth: Tensor | None = None
    frame: Tensor | None = None

    @staticmethod
    def of(sounds: Tensor, config: JoVAConfig, mouth: Tensor | None = None) -> "Heard":
        """Told apart half way through the blocks of a config; mouth: masks `[B, 1, T, h, w]`."""
        half = (config.dual_blocks + config.single_blocks) // 2 - 1
        shared = half - config.dual_blocks
        place = ("double_block", half) if shared < 0 else ("single_block", shared)
        if mouth is None:
            return Heard(sounds=sounds, place=place)
        line, last = Timeline.of(config), mouth.shape[2] - 1
        middles = [(2 * n + 1) / (2 * line.audio_rate) for n in range(sounds.shape[1])]
        frames = [min(line.latent_of_frame(int(at * line.fps)), last) for at in middles]
        return Heard(
            sounds=sounds,
            place=place,
            mouth=tokens_of(mouth[:, 0], config.patch),
            frame=torch.tensor(frames, device=mouth.device),
        )


class AlignmentLoss:
    """A `run` for the network that measures, in passing, how well sounds are told apart.

    After the network's pass `value` is the mean cross-entropy `[B]` over the latents that speak, of
    the audio and, where there are pictures, of the mouth besides.
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
            self.value = self._measure(x, joint.layout)
        return x

    def _measure(self, x: Tensor, layout: Layout) -> Tensor:
        """Of the sequence [audio, text_a, text_v, video] or its first half, `[B, S, dim]`."""
        heard, mouth = self.heard.sounds, self.heard.mouth
        sizes = [groups * size for groups, size in layout]
        audio, text, *pictures = x.split(sizes, dim=1)
        spoken = int(heard.max()) + 1
        rows = audio.repeat_interleave(heard.shape[1] // audio.shape[1], dim=1)
        error = _errors(rows, text[:, :spoken], heard)
        if mouth is None:
            return error
        text, video = pictures
        rows = (video.unflatten(1, mouth.shape[1:]) * mouth[..., None]).sum(2)
        return error + _errors(rows[:, self.heard.frame], text[:, :spoken], heard)


def _errors(rows: Tensor, text: Tensor, heard: Tensor) -> Tensor:
    """Cross-entropy `[B]` of rows `[B, L, dim]` and the text tokens of the sounds `[B, n, dim]`."""
    speaks = (heard >= 0).float()
    if not text.shape[1]:
        return speaks.sum(1)
    rows, text = (F.layer_norm(part.float(), part.shape[-1:]) for part in (rows, text))
    scores = rows @ text.mT / text.shape[-1] ** 0.5
    target = heard.long().flatten()
    errors = F.cross_entropy(scores.flatten(0, 1), target, ignore_index=-1, reduction="none")
    return errors.view_as(speaks).sum(1) / speaks.sum(1).clamp(min=1)
