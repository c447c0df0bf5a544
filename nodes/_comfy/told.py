"""What CONDITIONING tells a JoVA: text of several encoders, a pooled vector, guidance."""

from typing import Any

import torch
from torch import Tensor

from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
from ...jova_core.saved import GUIDANCE


def text_keys(config: JoVAConfig) -> list[str]:
    """Under which names the encoders' features arrive, in the order of the config.

    The first is core's own, which its conditioning nodes work on.
    """
    return ["cross_attn", *(f"jova_text_{spec.name}" for spec in config.text[1:])]


def needs_pooled(config: JoVAConfig) -> bool:
    """Whether the network wants the pooled vector of a text encoder."""
    return config.pooled_width > 0 and not config.pooled_from_text


def read_told(config: JoVAConfig, given: dict[str, Any]) -> dict[str, Tensor]:
    """Network inputs by name from the entries of a CONDITIONING, checked.

    Where ConditioningZeroOut cleared the first text, which is all that it knows, the others and the
    pooled vector are cleared, too. Raises JoVAError for what is missing or of another shape.
    """
    told: dict[str, Tensor] = {}
    for key, spec in zip(text_keys(config), config.text, strict=True):
        text = given.get(key)
        if text is None or text.shape[2] != spec.width or not spec.accepts(text.shape[1]):
            got = "nothing" if text is None else f"a text encoding {list(text.shape)}"
            tokens = f"1 to {spec.max_tokens}" if spec.pad == "cut" else spec.max_tokens
            raise JoVAError(
                f"The model got {got} where {spec.name} gives [B, {tokens}, {spec.width}]; encode "
                "the prompt with Load JoVA Text Encoder, its `model` connected, or with the "
                "conditioning that was saved for this model."
            )
        told[key] = text
    if needs_pooled(config):
        told["jova_pooled"] = _pooled(config, given.get("pooled_output"))
    if not told["cross_attn"].any():
        told = {key: torch.zeros_like(value) for key, value in told.items()}
    if config.guidance_embed:
        told["jova_guidance"] = torch.tensor([float(given.get("guidance", GUIDANCE))])
    return told


def _pooled(config: JoVAConfig, pooled: Tensor | None) -> Tensor:
    if pooled is None or pooled.shape[1] != config.pooled_width:
        got = "no pooled vector" if pooled is None else f"a pooled vector {list(pooled.shape)}"
        name = config.pooled_encoder or "its text encoder"
        raise JoVAError(
            f"The model got {got} where {name} gives [B, {config.pooled_width}]; choose that file "
            "in Load JoVA Text Encoder, too."
        )
    return pooled


def text_tokens(config: JoVAConfig, shapes: dict[str, list[Any]]) -> int:
    """Text tokens in the network for core's lists of shapes `[B, S, width]` of each condition.

    Each counts twice: every branch has the text, in its own embedding.
    """
    names = ["c_crossattn", *text_keys(config)[1:]]
    return 2 * sum(shape[0] * shape[1] for name in names for shape in shapes.get(name, ()))
