"""Prompts and reference images."""

from typing import Any

from comfy_api.latest import io, ui

from ._comfy import prompt as adapter


class JoVAPrompt(io.ComfyNode):
    """The three parts of a prompt as CONDITIONING."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVAPrompt",
            display_name="JoVA Prompt",
            category="model/conditioning/jova",
            description="Encodes a prompt: the picture, the voice and the spoken words. Lists the "
            "words the model was not trained on, and warns when the clip is too short for them.",
            search_aliases=["jova", "clip text encode", "transcript", "speech", "caption"],
            inputs=[
                io.Clip.Input("clip", tooltip="From Load JoVA Text Encoder."),
                io.String.Input(
                    "video_caption",
                    multiline=True,
                    dynamic_prompts=True,
                    default="a light face with brown hair in a red shirt on a blue background",
                    tooltip="The picture: person, clothes, background.",
                ),
                io.String.Input(
                    "audio_caption",
                    multiline=True,
                    dynamic_prompts=True,
                    default="a clear voice speaks",
                    tooltip="The kind of voice.",
                ),
                io.String.Input(
                    "transcript",
                    multiline=True,
                    dynamic_prompts=True,
                    default="hello friend",
                    tooltip="The spoken words.",
                ),
                io.Float.Input(
                    "seconds",
                    optional=True,
                    force_input=True,
                    tooltip="Clip length from JoVA Length; warns when the words do not fit.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The prompt."),
                io.Conditioning.Output(
                    display_name="negative",
                    tooltip="The empty prompt, used as the negative of CFG.",
                ),
                io.String.Output(display_name="text", tooltip="The encoded prompt with its tags."),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls,
        clip: Any,
        video_caption: str,
        audio_caption: str,
        transcript: str,
        seconds: float | None = None,
    ) -> io.NodeOutput:
        prompt = adapter.encode_prompt(
            clip,
            seconds,
            video_caption=video_caption,
            audio_caption=audio_caption,
            transcript=transcript,
        )
        preview = ui.PreviewText(prompt.preview)
        return io.NodeOutput(prompt.positive, prompt.negative, prompt.text, ui=preview)


class JoVAReferenceImage(io.ComfyNode):
    """A portrait as the first frame of the clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVAReferenceImage",
            display_name="JoVA Reference Image",
            category="model/conditioning/jova",
            description="Uses an image as the first frame of the clip: the person in the picture "
            "starts to speak. Crops and scales the image to the clip's size.",
            search_aliases=["jova", "image to video", "portrait", "first frame", "i2v"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="From JoVA Prompt."),
                io.Conditioning.Input("negative", tooltip="From JoVA Prompt."),
                io.Latent.Input("latent", tooltip="From Empty JoVA Latent."),
                io.Vae.Input("video_vae", tooltip="From Load JoVA Codecs."),
                io.Image.Input("image", tooltip="The portrait; from a batch, the first image."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="With the image."),
                io.Conditioning.Output(display_name="negative", tooltip="With the image."),
                io.Latent.Output(
                    display_name="latent", tooltip="With the image as its first frame."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, positive: Any, negative: Any, latent: dict[str, Any], video_vae: Any, image: Any
    ) -> io.NodeOutput:
        latent, image_latent = adapter.give_first_frame(latent, video_vae, image)
        both = [adapter.add_image(part, image_latent, video_vae) for part in (positive, negative)]
        return io.NodeOutput(*both, latent)
