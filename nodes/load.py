"""Loaders: model, text encoder, codecs."""

from typing import Any

from comfy_api.latest import io

from ._comfy import files
from ._comfy import load as adapter

_NONE = "none"


class JoVALoadModel(io.ComfyNode):
    """A JoVA checkpoint as MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVALoadModel",
            display_name="Load JoVA Model",
            category="model/loaders/jova",
            description="Loads a model that generates video and audio together. The bundled "
            "JoVA-mini needs no download.",
            search_aliases=["jova", "talking video", "audio video model", "load diffusion model"],
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=files.model_files("diffusion_models"),
                    tooltip="The bundled mini or a JoVA checkpoint from models/diffusion_models.",
                ),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(adapter.WEIGHT_DTYPES),
                    advanced=True,
                    tooltip="Precision of the weights in memory. default: ComfyUI's choice. fp8 "
                    "needs half the memory of bf16 and costs some quality.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(adapter.PRESET_NAMES),
                    advanced=True,
                    tooltip="Architecture and rates, for a file without metadata: ComfyUI's save "
                    "and merge nodes drop it.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The JoVA transformer.")],
        )

    @classmethod
    def execute(cls, checkpoint: str, weight_dtype: str, preset: str) -> io.NodeOutput:
        return io.NodeOutput(adapter.load_model(checkpoint, weight_dtype, preset))


class JoVALoadTextEncoder(io.ComfyNode):
    """The text encoders of a checkpoint as CLIP."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVALoadTextEncoder",
            display_name="Load JoVA Text Encoder",
            category="model/loaders/jova",
            description="Loads the text encoder for the prompt. JoVA-mini's encoder is built in "
            "and knows a fixed list of words.",
            search_aliases=["jova", "clip", "load clip", "text encoder"],
            inputs=[
                io.Combo.Input(
                    "encoder_1",
                    options=[files.BUNDLED],
                    tooltip="First text encoder of the checkpoint.",
                ),
                io.Combo.Input(
                    "encoder_2",
                    options=[_NONE],
                    tooltip="Second text encoder of the checkpoint; JoVA-mini has none.",
                ),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="Use the vocabulary of this model; connect it for a mini trained on "
                    "other words. Not connected: the bundled mini's words.",
                ),
            ],
            outputs=[io.Clip.Output(display_name="clip", tooltip="For JoVA Prompt.")],
        )

    @classmethod
    def execute(cls, encoder_1: str, encoder_2: str, model: Any = None) -> io.NodeOutput:  # noqa: ARG003
        return io.NodeOutput(adapter.load_text_encoder(model))


class JoVALoadCodecs(io.ComfyNode):
    """The video and the audio codec as VAEs."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVALoadCodecs",
            display_name="Load JoVA Codecs",
            category="model/loaders/jova",
            description="Loads the video codec and the audio codec as two VAEs.",
            search_aliases=["jova", "vae", "audio vae", "load vae"],
            inputs=[
                io.Combo.Input(
                    "codecs",
                    options=files.model_files("vae"),
                    tooltip="The codecs of JoVA-mini or a JoVA codec file from models/vae.",
                ),
            ],
            outputs=[
                io.Vae.Output(
                    display_name="video_vae", tooltip="Video codec; also works in VAE Decode."
                ),
                io.Vae.Output(
                    display_name="audio_vae", tooltip="Audio codec; also works in VAE Decode Audio."
                ),
            ],
        )

    @classmethod
    def execute(cls, codecs: str) -> io.NodeOutput:
        return io.NodeOutput(*adapter.load_codecs(codecs))
