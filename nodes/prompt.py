"""Prompts and reference pictures: what the model is told."""

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
            description="What is seen, how it sounds and what is said. Names every word that the "
            "model was not trained on and says when the words need more time than the clip has.",
            search_aliases=["jova", "clip text encode", "transcript", "speech", "caption"],
            inputs=[
                io.Clip.Input("clip", tooltip="From Load JoVA Text Encoder."),
                io.String.Input(
                    "video_caption",
                    multiline=True,
                    default="a light face with brown hair in a red shirt on a blue background",
                    tooltip="What is seen: the person, clothes and background.",
                ),
                io.String.Input(
                    "audio_caption",
                    multiline=True,
                    default="a clear voice speaks",
                    tooltip="How it sounds: the kind of voice.",
                ),
                io.String.Input(
                    "transcript",
                    multiline=True,
                    default="hello friend",
                    tooltip="The words that are spoken.",
                ),
                io.Float.Input(
                    "seconds",
                    optional=True,
                    force_input=True,
                    tooltip="Length of the clip, from JoVA Length, to warn about too many words.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The prompt."),
                io.Conditioning.Output(
                    display_name="negative",
                    tooltip="The empty prompt, which guidance leads away from.",
                ),
                io.String.Output(display_name="text", tooltip="The tagged text that was encoded."),
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
        found = adapter.encode_prompt(
            clip,
            seconds,
            video_caption=video_caption,
            audio_caption=audio_caption,
            transcript=transcript,
        )
        shown = ui.PreviewText(found.shown)
        return io.NodeOutput(found.positive, found.negative, found.text, ui=shown)


class JoVAReferenceImage(io.ComfyNode):
    """The portrait that starts to speak."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVAReferenceImage",
            display_name="JoVA Reference Image",
            category="model/conditioning/jova",
            description="Makes a picture the first frame of the clip: who is in it starts to "
            "speak. The picture is cropped and scaled to the clip's size.",
            search_aliases=["jova", "image to video", "portrait", "first frame", "i2v"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="From JoVA Prompt."),
                io.Conditioning.Input("negative", tooltip="From JoVA Prompt."),
                io.Latent.Input("latent", tooltip="From Empty JoVA Latent."),
                io.Vae.Input("video_vae", tooltip="From Load JoVA Codecs."),
                io.Image.Input("image", tooltip="The portrait; of a batch the first is used."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive"),
                io.Conditioning.Output(display_name="negative"),
                io.Latent.Output(display_name="latent", tooltip="With its first frame given."),
            ],
        )

    @classmethod
    def execute(
        cls, positive: Any, negative: Any, latent: dict[str, Any], video_vae: Any, image: Any
    ) -> io.NodeOutput:
        given, known = adapter.give_first_frame(latent, video_vae, image)
        both = [adapter.add_picture(part, known, video_vae) for part in (positive, negative)]
        return io.NodeOutput(*both, given)
