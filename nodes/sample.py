"""Sampling of video and audio together."""

from typing import Any

from comfy_api.latest import io

from ._comfy import sample as adapter


class JoVASampler(io.ComfyNode):
    """ComfyUI's samplers with a guidance scale for video and one for audio."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVASampler",
            display_name="JoVA Sampler",
            category="model/sampling/jova",
            description="Generates video and audio together, with a moving preview and a CFG scale "
            "for each. KSampler and SamplerCustomAdvanced also work with JoVA models.",
            search_aliases=["jova", "ksampler", "sample", "cfg"],
            inputs=[
                io.Model.Input("model", tooltip="A JoVA model."),
                io.Conditioning.Input("positive", tooltip="From JoVA Prompt."),
                io.Conditioning.Input("negative", tooltip="From JoVA Prompt."),
                io.Latent.Input("latent", tooltip="From Empty JoVA Latent or JoVA Task."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**63 - 1,
                    control_after_generate=True,
                    tooltip="The same seed gives the same clip.",
                ),
                io.Int.Input(
                    "steps",
                    default=30,
                    min=1,
                    max=1000,
                    tooltip="Number of sampling steps; more take longer.",
                ),
                io.Float.Input(
                    "cfg_video",
                    default=2.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely the video follows the prompt. With both scales at 1, "
                    "sampling takes half the time.",
                ),
                io.Float.Input(
                    "cfg_audio",
                    default=3.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely the audio follows the prompt.",
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=adapter.sampler_names(),
                    default="euler",
                    tooltip="Sampling algorithm; euler is the tested default.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=adapter.scheduler_names(),
                    default="simple",
                    tooltip="Noise schedule.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="1: a new clip; less: keep part of the clip in the latent.",
                ),
                io.Float.Input(
                    "shift",
                    default=0.0,
                    min=0.0,
                    max=100.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Shifts the schedule to higher noise; 0: the model's own value.",
                ),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="For JoVA Decode.")],
        )

    @classmethod
    def execute(
        cls, model: Any, positive: Any, negative: Any, latent: dict[str, Any], **choice: Any
    ) -> io.NodeOutput:
        chosen = adapter.SamplerChoice(**choice)
        return io.NodeOutput(adapter.sample(model, positive, negative, latent, chosen))
