"""Initial weights of a network for training from scratch."""

import torch
from torch import nn

from ..model.jova import JoVA


def initialise(model: JoVA, seed: int) -> None:
    """Xavier weights, zero biases, zero modulation gates and heads (adaLN-Zero, DiT).

    Every block starts as the identity and the whole network as the velocity 0.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02, generator=generator)
    for name, module in model.named_modules():
        if name.endswith((".mod", ".final.linear", "final_conv.last")):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
