"""Loaders: model, text encoder, codecs."""

from typing import Any

from comfy_api.latest import io

from ._comfy import files
from ._comfy import load as adapter
from ._comfy.ui import text_ui


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
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, checkpoint: str, weight_dtype: str, preset: str) -> io.NodeOutput:
        model = adapter.load_model(checkpoint, weight_dtype, preset)
        return io.NodeOutput(model, ui=text_ui(adapter.licence(model)))


class JoVALoadTextEncoder(io.ComfyNode):
    """The text encoders of a checkpoint as CLIP."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVALoadTextEncoder",
            display_name="Load JoVA Text Encoder",
            category="model/loaders/jova",
            description="Loads the text encoders for the prompt: those of the connected model from "
            "files, or JoVA-mini's, which is built in and knows a fixed list of words.",
            search_aliases=["jova", "clip", "load clip", "text encoder"],
            inputs=[
                io.Combo.Input(
                    "encoder_1",
                    options=files.model_files("text_encoders"),
                    tooltip="JoVA-mini's encoder, or the first text encoder of the checkpoint from "
                    "models/text_encoders.",
                ),
                io.Combo.Input(
                    "encoder_2",
                    options=[files.NONE, *files.model_files("text_encoders")[1:]],
                    tooltip="Second text encoder of the checkpoint; JoVA-mini has none.",
                ),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="Decides which encoders are needed, and which words a mini knows. Not "
                    "connected: the bundled mini.",
                ),
            ],
            outputs=[io.Clip.Output(display_name="clip", tooltip="For JoVA Prompt.")],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, encoder_1: str, encoder_2: str, model: Any = None) -> io.NodeOutput:
        clip = adapter.load_text_encoder(encoder_1, encoder_2, model)
        return io.NodeOutput(clip, ui=text_ui(adapter.encoder_licences(clip)))


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
                    tooltip="The codecs of JoVA-mini, a JoVA codec file, or a video VAE such as "
                    "Wan2.1's or HunyuanVideo's, from models/vae.",
                ),
                io.Combo.Input(
                    "audio_codec",
                    options=[files.NONE, *files.model_files("vae")[1:]],
                    optional=True,
                    tooltip="The audio VAE beside a video VAE: MMAudio's or ACE-Step 1.5's. A JoVA "
                    "codec file holds both.",
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
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, codecs: str, audio_codec: str = files.NONE) -> io.NodeOutput:
        both = adapter.load_codecs(codecs, audio_codec)
        return io.NodeOutput(*both, ui=text_ui(adapter.codec_licences(*both)))
