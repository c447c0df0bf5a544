"""Lengths, empty latents and what in them is given."""

from typing import Any

from comfy_api.latest import io, ui

from ._comfy import latent as adapter


class JoVALength(io.ComfyNode):
    """Seconds as a frame count that the model can make."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVALength",
            display_name="JoVA Length",
            category="model/latent/jova",
            description="Turns seconds into the nearest length that the model can make, or takes "
            "the length of a sound or film.",
            search_aliases=["jova", "duration", "frames", "seconds"],
            inputs=[
                io.Model.Input("model", tooltip="Whose frame rate counts."),
                io.Float.Input(
                    "seconds",
                    default=2.0,
                    min=0.1,
                    max=20.0,
                    step=0.01,
                    tooltip="The length you want; not used when a sound or film is connected. The "
                    "mini was trained on 2 s and 4 s.",
                ),
                io.Audio.Input(
                    "audio", optional=True, tooltip="A sound that the clip lasts as long as."
                ),
                io.Image.Input(
                    "film",
                    optional=True,
                    tooltip="A film that the clip lasts as long as.",
                ),
                io.Float.Input(
                    "film_fps",
                    default=0.0,
                    min=0.0,
                    max=240.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="Frames a second of the film; 0: those of the model.",
                ),
            ],
            outputs=[
                io.Int.Output(display_name="frames", tooltip="For Empty JoVA Latent."),
                io.Float.Output(display_name="seconds", tooltip="Exact length; for JoVA Prompt."),
                io.Float.Output(display_name="fps", tooltip="Frames a second of the model."),
                io.Int.Output(display_name="video_latents", tooltip="Latent frames."),
                io.Int.Output(display_name="audio_latents", tooltip="Audio latents."),
                io.String.Output(display_name="summary", tooltip="All of it in a sentence."),
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
    """Where sampling starts."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVAEmptyLatent",
            display_name="Empty JoVA Latent",
            category="model/latent/jova",
            description="An empty latent for video and sound of the same length.",
            search_aliases=["jova", "empty latent video", "audio video latent"],
            inputs=[
                io.Model.Input("model", tooltip="Whose size and rates count."),
                io.Int.Input(
                    "frames",
                    default=33,
                    min=1,
                    max=4097,
                    step=4,
                    tooltip="Frames of the clip, 4·n + 1; from JoVA Length.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Pixels; 0 is the width the model was trained on.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Pixels; 0 is the height the model was trained on.",
                ),
                io.Int.Input(
                    "batch_size",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="How many clips are made at once.",
                ),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="Video and audio stream.")],
        )

    @classmethod
    def execute(
        cls, model: Any, frames: int, width: int, height: int, batch_size: int
    ) -> io.NodeOutput:
        return io.NodeOutput(adapter.empty_latent(model, frames, width, height, batch_size))


class JoVATask(io.ComfyNode):
    """What is given and what is made."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVATask",
            display_name="JoVA Task",
            category="model/latent/jova",
            description="Says what is given and what is made: nothing (both are made), the sound "
            "(the pictures are made to it) or the pictures (the sound is made to them).",
            search_aliases=["jova", "audio to video", "video to audio", "lip sync", "dub"],
            inputs=[
                io.Model.Input("model", tooltip="Whose rates count."),
                io.Latent.Input("latent", tooltip="From Empty JoVA Latent."),
                io.Combo.Input(
                    "given",
                    options=["nothing", "audio", "video"],
                    tooltip="audio: connect audio and audio_vae. video: connect film and "
                    "video_vae.",
                ),
                io.Audio.Input("audio", optional=True, tooltip="The voice to act to."),
                io.Vae.Input("audio_vae", optional=True, tooltip="From Load JoVA Codecs."),
                io.Image.Input("film", optional=True, tooltip="The silent film to give a voice."),
                io.Vae.Input("video_vae", optional=True, tooltip="From Load JoVA Codecs."),
                io.Float.Input(
                    "film_fps",
                    default=0.0,
                    min=0.0,
                    max=240.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="Frames a second of the film; 0: those of the model.",
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="With what is given, and a mask.")
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
    ) -> io.NodeOutput:
        inputs = {"audio": audio, "audio_vae": audio_vae, "film": film, "video_vae": video_vae}
        task = adapter.give_task(model, latent, given, **inputs, film_fps=film_fps)
        return io.NodeOutput(task.latent, ui=ui.PreviewText(task.shown))
