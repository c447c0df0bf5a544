"""JoVA's text encoders as CLIP, so that core's CLIPTextEncode works with them."""

from typing import Any

import comfy.model_patcher
import comfy.sd
import comfy.supported_models_base
import comfy.utils
import node_helpers
import torch
from torch import Tensor, nn

from ...jova_core.codecs.text import MiniTextEncoder
from ...jova_core.config import JoVAConfig, JoVAError
from ...jova_core.model.checkpoint import describe
from ...jova_core.pipeline import MINI
from ...jova_core.prompt import (
    Prompt,
    Vocabulary,
    describe_unknown,
    estimate_seconds,
    parse_prompt,
)
from .model import model_config, model_notes

_KEY = "jova"
_SLACK = 0.5  # s, by which the estimate of speaking time may be wrong


class MiniTokenizer:
    """Core's tokenizer interface: text → the parsed prompt; nothing is weighted or escaped."""

    def __init__(self, encoder: MiniTextEncoder) -> None:
        self.encoder = encoder

    def tokenize_with_weights(
        self,
        text: str,
        return_word_ids: bool = False,  # noqa: ARG002  core's interface
        **_: Any,
    ) -> dict[str, list[Any]]:
        """The prompt as the one "token" of one batch. Raises JoVAError for wrong tags."""
        prompt = parse_prompt(text)
        self.encoder.tokens(prompt)  # complains where the node can show it
        return {_KEY: [prompt]}

    def untokenize(self, tokens: list[Any]) -> list[Any]:
        """Prompts are text already."""
        return tokens

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the codes are computed."""
        return {}


class MiniTextModel(nn.Module):
    """Core's text-model interface around an encoder that has no weights."""

    def __init__(
        self,
        encoder: MiniTextEncoder,
        device: Any = None,  # noqa: ARG002  core's interface
        dtype: torch.dtype | None = None,
        model_options: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.dtypes = {torch.float32 if dtype is None else dtype}

    def set_clip_options(self, options: dict[str, Any]) -> None:
        """No option applies."""

    def reset_clip_options(self) -> None:
        """No option applies."""

    def encode_token_weights(self, tokens: dict[str, list[Any]]) -> tuple[Any, ...]:
        """`[B, max_tokens, width]` and no pooled vector."""
        return self.encoder.encode(tokens[_KEY]), None, {}

    def load_sd(self, _state: dict[str, Any]) -> tuple[list[str], list[str]]:
        """Nothing to load."""
        return [], []


def load_text_encoder(model: Any = None) -> comfy.sd.CLIP:
    """The mini's text encoder as CLIP, with the vocabulary of a MODEL or of the bundled mini.

    Raises JoVAError if the model was trained with another encoder or lost its vocabulary.
    """
    if model is not None:
        return _load(model_config(model), model_notes(model))
    _, metadata = comfy.utils.load_torch_file(str(MINI), return_metadata=True)
    return _load(*describe(MINI, {}, metadata))


def _load(config: JoVAConfig, notes: dict[str, Any]) -> comfy.sd.CLIP:
    MiniTextEncoder.check(config)
    if "vocabulary" not in notes:
        raise JoVAError(
            "This checkpoint has lost its vocabulary, so its prompts cannot be encoded; disconnect "
            "`model` to use the bundled mini's words, or give a file that `jova train` wrote."
        )
    encoder = MiniTextEncoder.of(config, Vocabulary.from_dict(notes["vocabulary"]))
    target = comfy.supported_models_base.ClipTarget(
        lambda **_: MiniTokenizer(encoder), lambda **kw: MiniTextModel(encoder, **kw)
    )
    clip = comfy.sd.CLIP(target)
    clip.patcher.cached_patcher_init = (_load_patcher, (config, notes))
    return clip


def _load_patcher(
    config: JoVAConfig,
    notes: dict[str, Any],
    disable_dynamic: bool = False,  # noqa: ARG001  there are no weights to stream
) -> comfy.model_patcher.ModelPatcher:
    return _load(config, notes).patcher


def encode_prompts(clip: Any, prompts: list[Prompt]) -> list[Any]:
    """CONDITIONING of each prompt, as core's CLIPTextEncode makes it from the tagged text."""
    texts = [prompt.tagged() for prompt in prompts]
    return [clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in texts]


def prompt_remarks(clip: Any, prompt: Prompt, seconds: float | None) -> list[str]:
    """Sentences about unknown words and about more words than fit into `seconds`."""
    encoder = getattr(clip.tokenizer, "encoder", None)
    remarks = []
    if isinstance(encoder, MiniTextEncoder):
        remarks.append(describe_unknown(prompt, encoder.vocabulary))
    needed = estimate_seconds(prompt.transcript)
    if seconds is not None and needed > seconds + _SLACK:
        remarks.append(
            f"The words need about {needed:.1f} s; a clip of {seconds:.1f} s cuts them short."
        )
    return [remark for remark in remarks if remark]


def add_picture(conditioning: Any, known: Tensor) -> Any:
    """CONDITIONING that carries the raw latent `[1, C, n, h, w]` of the first frames."""
    return node_helpers.conditioning_set_values(conditioning, {"jova_image": known})
