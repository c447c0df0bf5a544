"""Decoding, saving, the sync report, and sample media."""

from typing import Any

from comfy_api.latest import InputImpl, io

from ._comfy import media
from ._comfy import video as adapter
from ._comfy.ui import ReportUI, SavedClipUI


def _fps() -> Any:
    """The frame rate of given frames, as two nodes take it."""
    return io.Float.Input(
        "fps",
        default=16.0,
        min=1.0,
        max=240.0,
        step=0.01,
        tooltip="Frame rate; from JoVA Decode.",
    )


class JoVADecode(io.ComfyNode):
    """Latents → frames and audio of exactly the same length."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVADecode",
            display_name="JoVA Decode",
            category="video/jova",
            description="Decodes a JoVA latent into frames and audio of exactly the same length.",
            search_aliases=["jova", "vae decode", "audio decode"],
            inputs=[
                io.Model.Input("model", tooltip="Sets the frame rate."),
                io.Latent.Input("latent", tooltip="From JoVA Sampler."),
                io.Vae.Input("video_vae", optional=True, tooltip="Not connected: audio only."),
                io.Vae.Input("audio_vae", optional=True, tooltip="Not connected: video only."),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="Frames; a batch as one clip after the other."
                ),
                io.Audio.Output(
                    display_name="audio", tooltip="At its original level, with its VAE's channels."
                ),
                io.Float.Output(display_name="fps", tooltip="Frame rate of the clip."),
            ],
        )

    @classmethod
    def execute(
        cls, model: Any, latent: dict[str, Any], video_vae: Any = None, audio_vae: Any = None
    ) -> io.NodeOutput:
        return io.NodeOutput(*adapter.decode(model, latent, video_vae, audio_vae))


class JoVASaveVideo(io.ComfyNode):
    """Frames and audio in one file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVASaveVideo",
            display_name="JoVA Save Video",
            category="video/jova",
            description="Saves frames and audio as one video file and plays it. Cuts or pads the "
            "audio to the length of the video. Stores the workflow in the file: drop an mp4, mov "
            "or webm on the canvas to load it.",
            search_aliases=["jova", "video combine", "mux", "mp4", "prores", "gif"],
            inputs=[
                io.Image.Input("images", tooltip="Frames of the video."),
                _fps(),
                io.String.Input(
                    "filename_prefix",
                    default="video/JoVA",
                    tooltip="Folder and file name in ComfyUI's output folder.",
                ),
                io.Combo.Input(
                    "recipe",
                    options=list(media.recipe_names()),
                    default="mp4",
                    tooltip="File format. mp4 plays everywhere, h265_10bit and prores suit "
                    "editing, mkv_lossless keeps every pixel, gif is silent.",
                ),
                io.Int.Input(
                    "scale",
                    default=0,
                    min=0,
                    max=16,
                    tooltip="Enlarge by a whole factor. 0: enlarge small videos to a short side of "
                    "at least 384 pixels.",
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
    """A bundled character to start with."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVASampleMedia",
            display_name="JoVA Sample Media",
            category="video/jova",
            description="Provides a bundled character as portrait, video and voice. Replace it "
            "with Load Image, Load Audio or Load Video for your own media.",
            search_aliases=["jova", "example", "load image", "load audio"],
            inputs=[
                io.Combo.Input(
                    "character", options=list(adapter.sample_names()), tooltip="The character."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="portrait", tooltip="First frame of the clip."),
                io.Image.Output(display_name="film", tooltip="All frames of the clip."),
                io.Audio.Output(display_name="voice", tooltip="The voice of the clip."),
                io.Float.Output(display_name="fps", tooltip="Frame rate of the clip."),
                io.Mask.Output(display_name="mouth_mask", tooltip="The mouth; for JoVA Task."),
            ],
        )

    @classmethod
    def execute(cls, character: str) -> io.NodeOutput:
        return io.NodeOutput(*adapter.sample_media(character))


class JoVASyncReport(io.ComfyNode):
    """How well lips and voice match."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVASyncReport",
            display_name="JoVA Sync Report",
            category="video/jova",
            description="Measures lip sync and the offset between lips and voice, and warns of "
            "silent, clipped, too long or too short audio. Needs the package mediapipe and its "
            "face model, or the landmarks of ComfyUI's Detect Face Landmarks.",
            search_aliases=["jova", "lip sync", "offset", "loudness"],
            inputs=[
                io.Image.Input("images", tooltip="Frames that show a face."),
                io.Audio.Input("audio", tooltip="The voice."),
                _fps(),
                io.Custom("FACE_LANDMARKS").Input(
                    "face_landmarks",
                    optional=True,
                    tooltip="From Detect Face Landmarks on the same images; then no face is "
                    "looked for here.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="report", tooltip="Table of the results."),
                io.Float.Output(
                    display_name="offset_ms",
                    tooltip="Delay of the voice behind the lips in ms; 0 where unknown.",
                ),
                io.Image.Output(
                    display_name="plot", tooltip="Mouth opening and loudness over time."
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, images: Any, audio: Any, fps: float, face_landmarks: dict[str, Any] | None = None
    ) -> io.NodeOutput:
        table, offset, plot = adapter.sync_report(images, audio, fps, face_landmarks)
        return io.NodeOutput(table, offset, plot, ui=ReportUI(table, plot, cls))
