"""One stream by itself: the branches share no weights, so each can be sampled without the other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...flow.solvers import Velocity
from ...latents import AVLatents, Conditioning
from ...pipeline import JoVAPipeline
from ...prompt import Prompt


def alone_velocity(pipeline: JoVAPipeline, prompts: Sequence[Prompt], scale: float) -> Velocity:
    """The velocity of either stream of a batch, guided by `scale` against the empty prompt."""
    both = [*prompts, *[Prompt()] * len(prompts)]
    told = Conditioning(text=tuple(encoder.encode(both) for encoder in pipeline.encoders))

    def guided(part: Tensor) -> Tensor:
        cond, uncond = part.chunk(2)
        return torch.lerp(uncond, cond, scale)

    def velocity(x: AVLatents, sigma: float) -> AVLatents:
        time = torch.full((len(both),), 1000 * sigma)
        twice = x.map(lambda part: torch.cat((part, part)))
        return pipeline.model(twice, time, time, told).map(guided)

    return velocity
