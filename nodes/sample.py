"""Sampling both streams at once."""

from typing import Any

from comfy_api.latest import io

from ._comfy import sample as adapter


class JoVASampler(io.ComfyNode):
    """Core's samplers with a guidance scale for pictures and one for sound."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVASampler",
            display_name="JoVA Sampler",
            category="model/sampling/jova",
            description="Makes pictures and sound together, with a moving preview. It uses "
            "ComfyUI's own samplers; KSampler and SamplerCustomAdvanced work on a JoVA, too.",
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
                    "steps", default=30, min=1, max=1000, tooltip="More steps take longer."
                ),
                io.Float.Input(
                    "cfg_video",
                    default=2.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely the pictures follow the prompt. 1 needs half the time "
                    "when both scales are 1.",
                ),
                io.Float.Input(
                    "cfg_audio",
                    default=3.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely the sound follows the prompt.",
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=adapter.sampler_names(),
                    default="euler",
                    tooltip="ComfyUI's samplers. euler is what the figures were measured with.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=adapter.scheduler_names(),
                    default="simple",
                    tooltip="At which noise levels sampling stops.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="1 makes a new clip; less keeps part of the clip in the latent.",
                ),
                io.Float.Input(
                    "shift",
                    default=0.0,
                    min=0.0,
                    max=100.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Moves the noise levels towards noise; 0 is the model's own value.",
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
