"""CONDITIONING as the inputs of a JoVA: text of several encoders, a pooled vector, guidance."""

from typing import Any

import torch
from torch import Tensor

from ...jova_core.config import JoVAConfig, TextEncoderSpec
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


def read_conditions(config: JoVAConfig, given: dict[str, Any]) -> dict[str, Tensor]:
    """Network inputs by name from the entries of a CONDITIONING, checked.

    Where ConditioningZeroOut cleared the first text, which is all that it knows, the others and the
    pooled vector are cleared, too. Raises JoVAError for what is missing or of another shape.
    """
    found: dict[str, Tensor] = {}
    for key, spec in zip(text_keys(config), config.text, strict=True):
        text = given.get(key)
        if spec.pad != "cut" and len(config.text) == 1:
            text = fitted_text(spec, text)
        if text is None or text.shape[2] != spec.width or not spec.accepts(text.shape[1]):
            shape = None if text is None else list(text.shape)
            got = f"a text encoding {shape}" if shape else "no text encoding"
            tokens = f"1 to {spec.max_tokens}" if spec.pad == "cut" else spec.max_tokens
            raise JoVAError(
                f"Got {got}; expected [B, {tokens}, {spec.width}] of {spec.name}: encode the "
                "prompt with Load JoVA Text Encoder, its `model` connected, or load the "
                "conditioning that was saved for this model."
            )
        found[key] = text
    if needs_pooled(config):
        found["jova_pooled"] = _pooled(config, given.get("pooled_output"))
    if not found["cross_attn"].any():
        found = {key: torch.zeros_like(value) for key, value in found.items()}
    if config.guidance_embed:
        found["jova_guidance"] = torch.tensor([float(given.get("guidance", GUIDANCE))])
    return found


def fitted_text(spec: TextEncoderSpec, text: Tensor | None) -> Tensor:
    """Text features `[B, max_tokens, width]`; no text is the empty prompt, whose features are 0.

    Joined prompts lose their unused tokens, which are 0. Raises JoVAError for more used tokens
    than the model reads and for the features of another encoder.
    """
    if text is None:
        return torch.zeros(1, spec.max_tokens, spec.width)
    if text.ndim != 3 or text.shape[2] != spec.width:
        raise JoVAError(
            f"Got a text encoding of shape {list(text.shape)}; expected [B, {spec.max_tokens}, "
            f"{spec.width}] as {spec.name} gives it; encode the prompt with Load JoVA Text Encoder."
        )
    if text.shape[1] == spec.max_tokens:
        return text
    used = [row[(row != 0).any(dim=1)] for row in text]
    most = max(map(len, used))
    if most > spec.max_tokens:
        raise JoVAError(
            f"Got joined prompts of {most} tokens; expected {spec.max_tokens} or fewer; shorten "
            "the transcripts (each sound of a word is a token)."
        )
    out = text.new_zeros(len(text), spec.max_tokens, spec.width)
    for row, kept in zip(out, used, strict=True):
        row[: len(kept)] = kept
    return out


def _pooled(config: JoVAConfig, pooled: Tensor | None) -> Tensor:
    if pooled is None or pooled.shape[1] != config.pooled_width:
        got = "no pooled vector" if pooled is None else f"a pooled vector {list(pooled.shape)}"
        name = config.pooled_encoder or "its text encoder"
        raise JoVAError(
            f"Got {got}; expected [B, {config.pooled_width}] of {name}: choose that file in Load "
            "JoVA Text Encoder as well."
        )
    return pooled


def text_tokens(config: JoVAConfig, shapes: dict[str, list[Any]]) -> int:
    """Text tokens in the network for core's lists of shapes `[B, S, width]` of each condition.

    Each counts twice: every branch has the text, in its own embedding.
    """
    names = ["c_crossattn", *text_keys(config)[1:]]
    return 2 * sum(shape[0] * shape[1] for name in names for shape in shapes.get(name, ()))
