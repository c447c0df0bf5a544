"""The first checkpoint of a JoVA from what is public."""

from comfy_api.latest import io

from ._comfy import backbone as adapter
from ._comfy.ui import text_ui


class JoVABuildFromBackbone(io.ComfyNode):
    """A public video model becomes the video branch of a JoVA."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVABuildFromBackbone",
            display_name="JoVA Build From Backbone",
            category="model/loaders/jova",
            description="Makes the first checkpoint of a JoVA from HunyuanVideo or Open-Sora 2.0: "
            "its pictures are the backbone's from the start, its voice has to be trained.",
            search_aliases=["jova", "convert model", "hunyuan", "open-sora"],
            inputs=[
                io.Combo.Input(
                    "backbone",
                    options=adapter.backbone_files(),
                    tooltip="HunyuanVideo or Open-Sora 2.0 in models/diffusion_models, in bf16, "
                    "fp16 or fp32.",
                ),
                io.Combo.Input(
                    "latents",
                    options=list(adapter.LATENTS),
                    tooltip="keep: the backbone's own VAE, pictures are right from the start. "
                    "wan2.1: new video projections for Wan2.1's VAE, to be trained first.",
                ),
                io.String.Input(
                    "name",
                    default="jova_from_backbone",
                    tooltip="Of the new file in models/diffusion_models; it is about twice as "
                    "large. A run that was stopped goes on where it was.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="file", tooltip="The new file's name."),
            ],
            is_output_node=True,
            not_idempotent=True,
        )

    @classmethod
    def execute(cls, backbone: str, latents: str, name: str) -> io.NodeOutput:
        file, summary = adapter.build(backbone, latents, name)
        return io.NodeOutput(file, ui=text_ui(summary))
