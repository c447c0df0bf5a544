"""Prompts as files: encoded once, used without a text encoder."""

from typing import Any

from comfy_api.latest import io

from ._comfy import conditioning as adapter
from ._comfy.ui import text_ui


class JoVASaveConditioning(io.ComfyNode):
    """CONDITIONING into a file whose name holds its content hash."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVASaveConditioning",
            display_name="JoVA Save Conditioning",
            category="model/conditioning/jova",
            description="Writes an encoded prompt into output/conditioning, so that the workflow "
            "runs later, or elsewhere, without the text encoders.",
            search_aliases=["jova", "cache prompt", "save text", "embeddings"],
            inputs=[
                io.Model.Input("model", tooltip="Whose text it is; it says what is to be saved."),
                io.Conditioning.Input("conditioning", tooltip="Of one prompt; from JoVA Prompt."),
                io.String.Input(
                    "filename_prefix",
                    default="prompt",
                    tooltip="The file's name begins with it; a hash of the content follows.",
                ),
                io.String.Input(
                    "text",
                    default="",
                    optional=True,
                    force_input=True,
                    tooltip="The prompt's text, from JoVA Prompt, to be kept in the file.",
                ),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="The file's path.")],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, model: Any, conditioning: Any, filename_prefix: str, text: str = ""
    ) -> io.NodeOutput:
        path = adapter.save(model, conditioning, filename_prefix, text)
        return io.NodeOutput(str(path), ui=text_ui(path.name))


class JoVALoadConditioning(io.ComfyNode):
    """CONDITIONING from a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVALoadConditioning",
            display_name="JoVA Load Conditioning",
            category="model/conditioning/jova",
            description="Reads an encoded prompt that JoVA Save Conditioning wrote; no text "
            "encoder is needed.",
            search_aliases=["jova", "cached prompt", "load text", "embeddings"],
            inputs=[
                io.Model.Input("model", tooltip="Who reads it; other models' text is refused."),
                io.Combo.Input(
                    "file",
                    options=adapter.saved_files(),
                    tooltip="A file in input/conditioning, or one that was saved here.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="conditioning", tooltip="For JoVA Sampler."),
                io.String.Output(display_name="text", tooltip="The prompt's text, where kept."),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: Any) -> float:
        """The time of the last change: a file of the same name may have other content."""
        return adapter.chosen(file).stat().st_mtime

    @classmethod
    def execute(cls, model: Any, file: str) -> io.NodeOutput:
        conditioning, text = adapter.load(model, file)
        return io.NodeOutput(conditioning, text, ui=text_ui(text))
