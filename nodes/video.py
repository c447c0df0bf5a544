"""From latents to a file that plays, and media to start from."""

from typing import Any

from comfy_api.latest import InputImpl, io

from ._comfy import media
from ._comfy import video as adapter
from ._comfy.ui import ReportUI, SavedClipUI


class JoVADecode(io.ComfyNode):
    """Latents as pictures and sound of exactly the same length."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVADecode",
            display_name="JoVA Decode",
            category="video/jova",
            description="Turns a JoVA latent into pictures and sound; the sound lasts as long as "
            "the pictures, to the sample.",
            search_aliases=["jova", "vae decode", "audio decode"],
            inputs=[
                io.Model.Input("model", tooltip="Whose frame rate counts."),
                io.Latent.Input("latent", tooltip="From JoVA Sampler."),
                io.Vae.Input(
                    "video_vae", optional=True, tooltip="Not connected: no pictures are decoded."
                ),
                io.Vae.Input(
                    "audio_vae", optional=True, tooltip="Not connected: no sound is decoded."
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="Frames; of a batch one clip after the other."
                ),
                io.Audio.Output(
                    display_name="audio", tooltip="At its level, with the channels of its VAE."
                ),
                io.Float.Output(display_name="fps", tooltip="Frames a second."),
            ],
        )

    @classmethod
    def execute(
        cls, model: Any, latent: dict[str, Any], video_vae: Any = None, audio_vae: Any = None
    ) -> io.NodeOutput:
        return io.NodeOutput(*adapter.decode(model, latent, video_vae, audio_vae))


class JoVASaveVideo(io.ComfyNode):
    """Pictures and sound in one file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVASaveVideo",
            display_name="JoVA Save Video",
            category="video/jova",
            description="Writes pictures and sound into one file and plays it. The sound is cut, "
            "or followed by silence, to the length of the pictures. The workflow is saved in the "
            "file; mp4, mov and webm files give it back when dropped on the canvas.",
            search_aliases=["jova", "video combine", "mux", "mp4", "prores", "gif"],
            inputs=[
                io.Image.Input("images", tooltip="The frames."),
                io.Float.Input(
                    "fps",
                    default=16.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    tooltip="Frames a second; from JoVA Decode.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="video/JoVA",
                    tooltip="Folder and name inside ComfyUI's output folder.",
                ),
                io.Combo.Input(
                    "recipe",
                    options=list(media.recipe_names()),
                    default="mp4",
                    tooltip="mp4 plays everywhere. h265_10bit and prores are for editing, "
                    "mkv_lossless keeps every pixel, gif has no sound.",
                ),
                io.Int.Input(
                    "scale",
                    default=0,
                    min=0,
                    max=16,
                    tooltip="Enlarges by a whole factor. 0: small pictures are enlarged until "
                    "their short side has 384 pixels or more.",
                ),
                io.Audio.Input("audio", optional=True, tooltip="Not connected: a silent video."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            outputs=[io.Video.Output(display_name="video", tooltip="The written file.")],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        images: Any,
        fps: float,
        filename_prefix: str,
        recipe: str,
        scale: int,
        audio: Any = None,
    ) -> io.NodeOutput:
        saved = media.save_clip(
            images,
            audio,
            fps=fps,
            prefix=filename_prefix,
            recipe=recipe,
            scale=scale,
            tags={"prompt": cls.hidden.prompt, **(cls.hidden.extra_pnginfo or {})},
        )
        video = InputImpl.VideoFromFile(str(saved.clip.path))
        return io.NodeOutput(video, ui=SavedClipUI(saved))


class JoVASampleMedia(io.ComfyNode):
    """A bundled character to try things with."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVASampleMedia",
            display_name="JoVA Sample Media",
            category="video/jova",
            description="A bundled drawn character as portrait, film and voice. Replace it by Load "
            "Image, Load Audio or Load Video.",
            search_aliases=["jova", "example", "load image", "load audio"],
            inputs=[
                io.Combo.Input(
                    "character", options=list(adapter.sample_names()), tooltip="Who it is."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="portrait", tooltip="One picture."),
                io.Image.Output(display_name="film", tooltip="All frames."),
                io.Audio.Output(display_name="voice", tooltip="What is said."),
                io.Float.Output(display_name="fps", tooltip="Frames a second of the film."),
            ],
        )

    @classmethod
    def execute(cls, character: str) -> io.NodeOutput:
        return io.NodeOutput(*adapter.sample_media(character))


class JoVASyncReport(io.ComfyNode):
    """Do mouth and voice belong together."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVASyncReport",
            display_name="JoVA Sync Report",
            category="video/jova",
            description="Measures whether the mouth moves with the voice, how far they are apart, "
            "and whether the sound is silent, clipped or of another length. Needs the package "
            "mediapipe and its face model.",
            search_aliases=["jova", "lip sync", "offset", "loudness"],
            inputs=[
                io.Image.Input("images", tooltip="Frames with a face."),
                io.Audio.Input("audio", tooltip="The voice."),
                io.Float.Input(
                    "fps",
                    default=16.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    tooltip="Frames a second; from JoVA Decode.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="report", tooltip="A table of the findings."),
                io.Float.Output(
                    display_name="offset_ms",
                    tooltip="How much later the sound is than the mouth; 0 where unknown.",
                ),
                io.Image.Output(display_name="plot", tooltip="Mouth opening and loudness."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Any, audio: Any, fps: float) -> io.NodeOutput:
        table, offset, plot = adapter.sync_report(images, audio, fps)
        return io.NodeOutput(table, offset, plot, ui=ReportUI(table, plot, cls))
