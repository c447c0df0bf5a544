"""Lengths, empty latents and tasks."""

from typing import Any

from comfy_api.latest import io, ui

from ._comfy import latent as adapter
from ._comfy import tasks


def _film_fps() -> Any:
    """The frame rate of a film, as two nodes take it."""
    return io.Float.Input(
        "film_fps",
        default=0.0,
        min=0.0,
        max=240.0,
        step=0.01,
        optional=True,
        advanced=True,
        tooltip="Frame rate of the film input; 0: the model's frame rate.",
    )


class JoVALength(io.ComfyNode):
    """Seconds → a frame count that the model supports."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVALength",
            display_name="JoVA Length",
            category="model/latent/jova",
            description="Turns seconds into the nearest clip length that the model supports, or "
            "matches the clip to the length of your audio or video.",
            search_aliases=["jova", "duration", "frames", "seconds"],
            inputs=[
                io.Model.Input("model", tooltip="Sets the frame rate."),
                io.Float.Input(
                    "seconds",
                    default=2.0,
                    min=0.1,
                    max=20.0,
                    step=0.01,
                    tooltip="Target length; ignored when audio or film is connected. JoVA-mini was "
                    "trained on 2 s and 4 s.",
                ),
                io.Audio.Input(
                    "audio", optional=True, tooltip="Match the clip's length to this audio."
                ),
                io.Image.Input(
                    "film", optional=True, tooltip="Match the clip's length to this video."
                ),
                _film_fps(),
            ],
            outputs=[
                io.Int.Output(display_name="frames", tooltip="Frame count; for Empty JoVA Latent."),
                io.Float.Output(display_name="seconds", tooltip="Exact length; for JoVA Prompt."),
                io.Float.Output(display_name="fps", tooltip="Frame rate of the model."),
                io.Int.Output(display_name="video_latents", tooltip="Number of video latents."),
                io.Int.Output(display_name="audio_latents", tooltip="Number of audio latents."),
                io.String.Output(display_name="summary", tooltip="All values in one line."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        seconds: float,
        audio: Any = None,
        film: Any = None,
        film_fps: float = 0.0,
    ) -> io.NodeOutput:
        length = adapter.plan_length(model, seconds, audio, film, film_fps)
        return io.NodeOutput(*length.outputs())


class JoVAEmptyLatent(io.ComfyNode):
    """The empty video and audio latents that sampling starts from."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVAEmptyLatent",
            display_name="Empty JoVA Latent",
            category="model/latent/jova",
            description="Creates an empty video and audio latent of the same length.",
            search_aliases=["jova", "empty latent video", "audio video latent"],
            inputs=[
                io.Model.Input("model", tooltip="Sets the default size and the rates."),
                io.Int.Input(
                    "frames",
                    default=33,
                    min=1,
                    max=4097,
                    step=4,
                    tooltip="Frame count, 4·n + 1; from JoVA Length.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Width in pixels; 0: the width the model was trained on.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Height in pixels; 0: the height the model was trained on.",
                ),
                io.Int.Input(
                    "batch_size",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="Number of clips to generate at once.",
                ),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="Video and audio latent.")],
        )

    @classmethod
    def execute(
        cls, model: Any, frames: int, width: int, height: int, batch_size: int
    ) -> io.NodeOutput:
        return io.NodeOutput(adapter.empty_latent(model, frames, width, height, batch_size))


class JoVATask(io.ComfyNode):
    """What is given to a clip, and what of it is made."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVATask",
            display_name="JoVA Task",
            category="model/latent/jova",
            description="Chooses the task: generate video and audio from the prompt, video to "
            "match your audio, audio to match your video; or lip-sync, dub, extend or partly redo "
            "your film.",
            search_aliases=[
                "jova",
                "audio to video",
                "video to audio",
                "lip sync",
                "dub",
                "extend",
            ],
            inputs=[
                io.Model.Input("model", tooltip="Sets the frame rate and the audio rate."),
                io.Latent.Input("latent", tooltip="From Empty JoVA Latent."),
                io.Combo.Input(
                    "given",
                    options=list(tasks.TASKS),
                    tooltip=tasks.TOOLTIP,
                ),
                io.Audio.Input("audio", optional=True, tooltip="The voice to lip-sync to."),
                io.Vae.Input("audio_vae", optional=True, tooltip="From Load JoVA Codecs."),
                io.Image.Input("film", optional=True, tooltip="The silent video to voice."),
                io.Vae.Input("video_vae", optional=True, tooltip="From Load JoVA Codecs."),
                _film_fps(),
                io.Mask.Input(
                    "mouth_mask",
                    optional=True,
                    tooltip="Output `mask` of JoVA Mouth Mask on the film; for lip-sync and dub.",
                ),
                io.Image.Input("first_frame", optional=True, tooltip="Where the clip begins."),
                io.Image.Input("last_frame", optional=True, tooltip="Where the clip ends."),
                io.Float.Input(
                    "redo_from",
                    default=0.0,
                    min=0.0,
                    max=3600.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="Start of the stretch that redo makes anew, in seconds.",
                ),
                io.Float.Input(
                    "redo_to",
                    default=1.0,
                    min=0.0,
                    max=3600.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="End of the stretch that redo makes anew, in seconds.",
                ),
                io.Combo.Input(
                    "redo_stream",
                    options=["both", "video", "audio"],
                    default="both",
                    optional=True,
                    advanced=True,
                    tooltip="What redo makes anew within its stretch.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent",
                    tooltip="The latent with the given stream, masked so that it stays.",
                )
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        latent: dict[str, Any],
        given: str,
        audio: Any = None,
        audio_vae: Any = None,
        film: Any = None,
        video_vae: Any = None,
        film_fps: float = 0.0,
        mouth_mask: Any = None,
        first_frame: Any = None,
        last_frame: Any = None,
        redo_from: float = 0.0,
        redo_to: float = 1.0,
        redo_stream: str = "both",
    ) -> io.NodeOutput:
        inputs = {"audio": audio, "audio_vae": audio_vae, "film": film, "video_vae": video_vae}
        inputs |= {"mouth_mask": mouth_mask, "first_frame": first_frame, "last_frame": last_frame}
        inputs |= {"redo_from": redo_from, "redo_to": redo_to, "redo_stream": redo_stream}
        task = tasks.give_task(model, latent, given, **inputs, film_fps=film_fps)
        return io.NodeOutput(task.latent, ui=ui.PreviewText(task.shown))
