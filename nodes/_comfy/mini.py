"""JoVA-mini in ComfyUI: bundled files, codecs as VAE, text encoder as CLIP, samples, previews."""

from functools import partial
from pathlib import Path
from typing import Any

import comfy.model_patcher
import comfy.sd
import comfy.supported_models_base
import torch
from torch import nn

from ...jova_core.codecs import Codecs
from ...jova_core.config import JoVAConfig
from ...jova_core.errors import JoVAError
from ...jova_core.mini import MINI, MINI_CODECS
from ...jova_core.mini.codecs.checkpoint import codec_state, holds_codecs, load_codecs
from ...jova_core.mini.codecs.preview import PREVIEW, PreviewFactors, preview_frames
from ...jova_core.mini.samples import load_sample, sample_names
from ...jova_core.mini.text.encoder import MiniTextEncoder
from ...jova_core.model.checkpoint import read_notes
from ...jova_core.prompt_text import parse_prompt
from ...jova_core.vocabulary import Vocabulary
from .vae import AudioVAE, VideoVAE

__all__ = [
    "PreviewFactors",
    "bundled_checkpoint",
    "bundled_notes",
    "codecs_of",
    "holds_codecs",
    "load_codec_vaes",
    "load_mini_text",
    "load_sample",
    "mini_encoder",
    "preview_factors",
    "preview_frames",
    "sample_names",
]

_KEY = "jova"


class MiniTokenizer:
    """Core's tokenizer interface: text → the parsed prompt; nothing is weighted or escaped."""

    def __init__(self, encoder: MiniTextEncoder) -> None:
        self.encoder = encoder
        self.vocabulary, self.form = encoder.vocabulary, encoder.form

    def tokenize_with_weights(
        self,
        text: str,
        return_word_ids: bool = False,  # noqa: ARG002  core's interface
        **_: Any,
    ) -> dict[str, list[Any]]:
        """The prompt as the one "token" of one batch. Raises JoVAError for wrong tags."""
        prompt = parse_prompt(text)
        self.encoder.tokens(prompt)  # raises here, where the node can show it
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


def mini_encoder(config: JoVAConfig, notes: dict[str, Any]) -> MiniTextEncoder:
    """The text encoder of a checkpoint.

    Raises JoVAError for a checkpoint with another encoder or without a vocabulary.
    """
    MiniTextEncoder.check(config)
    if "vocabulary" not in notes:
        raise JoVAError(
            "Got a checkpoint without its vocabulary; expected the words it was trained on; "
            "disconnect `model` to use the bundled mini's words, or load a file with its metadata."
        )
    return MiniTextEncoder.of(config, Vocabulary.from_dict(notes["vocabulary"]))


def load_mini_text(config: JoVAConfig, notes: dict[str, Any]) -> comfy.sd.CLIP:
    """The mini's text encoder as CLIP; see `mini_encoder`."""
    encoder = mini_encoder(config, notes)
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
    return load_mini_text(config, notes).patcher


def bundled_checkpoint() -> Path:
    """The mini that ships in the pack."""
    return MINI


def bundled_notes() -> dict[str, Any]:
    """The notes of that file, for a mini that has lost its own."""
    return read_notes(MINI)


def codecs_of(path: Path | None) -> Codecs:
    """The codecs of a file (None: the bundled ones). Raises JoVAError for any other file."""
    return load_codecs(MINI_CODECS if path is None else path)


def load_codec_vaes(path: Path | None) -> tuple[VideoVAE, AudioVAE]:
    """Both codecs of a file as VAE; see `codecs_of`."""
    codecs = codecs_of(path)
    state = partial(codec_state, codecs)
    return (
        VideoVAE(codecs.video, codecs.stats, state),
        AudioVAE(codecs.audio, codecs.stats, state),
    )


def preview_factors(codec: str) -> PreviewFactors | None:
    """Latents → colours of a video codec; None for an unknown codec."""
    return PREVIEW.get(codec)
