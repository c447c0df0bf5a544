"""Text encoders of a checkpoint as CLIP: core's own networks, run on literal text."""

from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models_base
import comfy.utils
import torch
from torch import Tensor, nn

from ...jova_core.config import JoVAConfig, PromptForm
from ...jova_core.errors import JoVAError
from .conditions import text_keys
from .encoders import EncoderFile, Need, check_fit, needs_of, read_encoder

FOLDER = "text_encoders"
_CLIP_TOKENS = 77
Ids = list[tuple[int, float]]


class TextTokenizer:
    """Core's tokenizer interface over several encoders; nothing is weighted, escaped or embedded.

    form: how the parts of a prompt follow each other in the text that the checkpoint read.
    """

    vocabulary = None

    def __init__(self, needs: list[Need], form: PromptForm) -> None:
        self.needs, self.form = needs, form
        self.tokenizers = {need.family.part: _tokenizer(need) for need in needs}

    def tokenize_with_weights(
        self,
        text: str,
        return_word_ids: bool = False,
        **_: Any,
    ) -> dict[str, list[list[Any]]]:
        """For each encoder one batch of (token, 1.0), cut and padded as the checkpoint asks."""
        made = {need.family.part: [self._tokens(need, text)] for need in self.needs}
        if return_word_ids:
            return {part: [[(*t, 0) for t in batch] for batch in made[part]] for part in made}
        return made

    def _tokens(self, need: Need, text: str) -> Ids:
        tokenizer, spec = self.tokenizers[need.family.part], need.spec
        template = "" if spec is None else _template(spec.template)
        ids = tokenizer.tokenizer(template.replace("{}", text, 1) if template else text)
        ids = list(ids["input_ids"])
        limit = _CLIP_TOKENS if spec is None else spec.dropped_prefix + spec.max_tokens
        if len(ids) > limit:
            end = ids[-1:] if tokenizer.tokenizer_adds_end_token else []
            ids = ids[: limit - len(end)] + end
        padded = spec is None or spec.pad == "kept"
        pads = limit - len(ids) if padded else int(not ids)
        return [(int(token), 1.0) for token in ids + [tokenizer.pad_token] * pads]

    def untokenize(self, tokens: list[Any]) -> list[Any]:
        """Tokens with their text, of the first encoder."""
        return self.tokenizers[self.needs[0].family.part].untokenize(tokens)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: core's package holds the vocabularies."""
        return {}


def _tokenizer(need: Need) -> Any:
    try:
        return need.family.tokenizer()
    except OSError as error:
        raise JoVAError(
            f"ComfyUI lacks its tokenizer of {need.family.title} ({error.filename or error}); "
            "install the whole of ComfyUI again."
        ) from error


def _template(template: str) -> str:
    """A template as it stands, or that of a name. Raises JoVAError for other names."""
    if template == "hunyuan-video":
        from comfy.text_encoders.hunyuan_video import HunyuanVideoTokenizer

        return HunyuanVideoTokenizer().llama_template
    if template and "{}" not in template:
        raise JoVAError(
            f"This checkpoint puts its prompts into the template {template!r}, which is unknown; "
            "load saved conditioning, or a checkpoint whose config holds the template's text."
        )
    return template


class TextModel(nn.Module):
    """Core's text-model interface over several encoders: one module for each, by core's name."""

    def __init__(
        self,
        config: JoVAConfig,
        files: list[tuple[Need, EncoderFile]],
        device: Any = None,
        dtype: torch.dtype | None = None,
        model_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.needs = [need for need, _ in files]
        self.where = {file.family.part: file.where for _, file in files}
        self.dtypes: set[torch.dtype] = set()
        for need, file in files:
            kept = file.tensors[file.family.layer_norm].dtype
            own = comfy.model_management.pick_weight_dtype(kept, dtype, device)
            options = {"device": device, "dtype": own, "model_options": model_options or {}}
            setattr(self, file.family.part, _network(need, file, **options))
            self.dtypes.add(own)

    def _parts(self) -> dict[str, Any]:
        return {need.family.part: getattr(self, need.family.part) for need in self.needs}

    def set_clip_options(self, options: dict[str, Any]) -> None:
        """The device to run on; the layer is the checkpoint's, whatever a node asks for."""
        for part in self._parts().values():
            part.set_clip_options({k: v for k, v in options.items() if k == "execution_device"})

    def reset_clip_options(self) -> None:
        """Back to the options of the checkpoint."""
        for part in self._parts().values():
            part.reset_clip_options()

    def encode_token_weights(self, tokens: dict[str, list[Ids]]) -> tuple[Any, ...]:
        """Features of the first encoder `[1, S, width]`, pooled vector or None, others by key."""
        keys, features, pooled = iter(text_keys(self.config)), {}, None
        for need in self.needs:
            ids = [token for token, _ in tokens[need.family.part][0]]
            states, summary = getattr(self, need.family.part).encode([ids])[:2]
            if need.name == self.config.pooled_encoder:
                pooled = _out(summary)
            if need.spec is not None:
                states = states[:, need.spec.dropped_prefix :]
                if need.spec.pad == "zeroed":
                    states = nn.functional.pad(
                        states, (0, 0, 0, need.spec.max_tokens - states.shape[1])
                    )
                features[next(keys)] = _out(states)
        return features.pop("cross_attn"), pooled, features

    def load_sd(self, state: dict[str, dict[str, Tensor]]) -> tuple[list[str], list[str]]:
        """The tensors of one part, under its name. Raises JoVAError unless all are there."""
        ((part, tensors),) = state.items()
        try:
            missing, unexpected = getattr(self, part).load_sd(tensors)
        except RuntimeError as error:
            raise JoVAError(
                f"The text encoder {self.where[part]} holds tensors of other shapes than its "
                f"first block tells ({str(error).splitlines()[-1].strip()}); download it again."
            ) from error
        unused = next(n.family.unused for n in self.needs if n.family.part == part)
        missing = sorted(name for name in missing if not name.startswith(unused))
        if missing:
            raise JoVAError(
                f"The text encoder {self.where[part]} lacks {len(missing)} of its tensors, first "
                f"{missing[0]}; copy or download the whole file again."
            )
        return [], unexpected


def _out(states: Tensor) -> Tensor:
    return states.to(comfy.model_management.intermediate_device())


def _network(need: Need, file: EncoderFile, **options: Any) -> Any:
    """Core's wrapper around one encoder, with weights still to be loaded."""
    from comfy.sd1_clip import SDClipModel

    model_class, special = file.family.build()
    layer = -1 if need.spec is None else need.spec.hidden_layer
    depth = file.config.get("num_hidden_layers") or file.config["num_layers"]
    if -layer > depth:
        raise JoVAError(
            f"This checkpoint reads the hidden layer {layer} of {need.name}; {file.where} has "
            f"{depth} layers: choose the whole encoder."
        )
    quantised = comfy.utils.detect_layer_quantization(file.tensors, "")
    if quantised is not None:
        found = {**options["model_options"], "quantization_metadata": quantised}
        options["model_options"] = found
    return SDClipModel(
        layer="last" if layer == -1 else "hidden",
        layer_idx=None if layer == -1 else layer,
        textmodel_json_config=dict(file.config),
        model_class=model_class,
        special_tokens=special,
        layer_norm_hidden_state=False,
        return_projected_pooled=False,
        **options,
    )


def load_text(
    config: JoVAConfig, paths: list[Path], disable_dynamic: bool = False
) -> comfy.sd.CLIP:
    """The text encoders that a checkpoint reads, as CLIP, from files in any order.

    Raises JoVAError, which names the file, for one that is missing, truncated or another encoder.
    """
    needs = needs_of(config)
    files = _matched(needs, [read_encoder(path, FOLDER) for path in paths])
    size = sum(comfy.utils.calculate_parameters(file.tensors) for _, file in files)
    target = comfy.supported_models_base.ClipTarget(
        lambda **_: TextTokenizer(needs, config.prompt),
        lambda **options: TextModel(config, files, **options),
    )
    clip = comfy.sd.CLIP(
        target,
        parameters=size,
        state_dict=[{file.family.part: file.tensors} for _, file in files],
        disable_dynamic=disable_dynamic,
    )
    clip.patcher.cached_patcher_init = (_load_patcher, (config, paths))
    return clip


def encoder_licences(clip: comfy.sd.CLIP) -> str:
    """A line for each encoder of a CLIP with the terms of its published weights."""
    model = clip.cond_stage_model
    if not isinstance(model, TextModel):
        return ""
    lines = [f"{model.where[n.family.part]}: {n.family.licence}" for n in model.needs]
    return "\n".join(lines)


def _load_patcher(
    config: JoVAConfig, paths: list[Path], disable_dynamic: bool = False
) -> comfy.model_patcher.ModelPatcher:
    return load_text(config, paths, disable_dynamic).patcher


def _matched(needs: list[Need], files: list[EncoderFile]) -> list[tuple[Need, EncoderFile]]:
    """Each encoder that is needed with its file."""
    left, wanted = list(files), " and ".join(need.name for need in needs)
    found = []
    for need in needs:
        file = next((file for file in left if file.family is need.family), None)
        if file is not None:
            check_fit(file, need)
            left.remove(file)
            found.append((need, file))
    if left:
        raise JoVAError(
            f"The file {left[0].where} holds {left[0].title}; this checkpoint reads {wanted}: "
            "choose those, each once."
        )
    missing = [need.name for need in needs if need not in [n for n, _ in found]]
    if missing:
        raise JoVAError(
            f"This checkpoint reads {wanted}; nothing gives {' and '.join(missing)}: choose its "
            f"file from models/{FOLDER}."
        )
    return found
