"""Training in the graph: clips to a data set, a data set to a LoRA."""

from typing import Any

from comfy_api.latest import io, ui

from ._comfy import files
from ._comfy import train as adapter
from ._comfy.ui import ReportUI

_Dataset = io.Custom("JOVA_DATASET")
_LoRA, _Losses = io.Custom("LORA_MODEL"), io.Custom("LOSS_MAP")


class JoVAEncodeDataset(io.ComfyNode):
    """Clips as latents, with their prompts and mouth masks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVAEncodeDataset",
            display_name="JoVA Encode Dataset",
            category="model/training/jova",
            description="Prepares clips of speaking people for training: latents, prompts and "
            "mouth masks, once. Names every clip that cannot be used, with the reason. Needs the "
            "package mediapipe and its face model.",
            search_aliases=["jova", "training", "dataset", "lora", "make training dataset"],
            inputs=[
                io.Model.Input("model", tooltip="The JoVA that will be trained."),
                io.Combo.Input(
                    "source",
                    options=adapter.clip_sources(),
                    tooltip="A folder in ComfyUI's input folder with videos and a .txt prompt of "
                    "the same name beside each, or a .jsonl list there.",
                ),
                io.String.Input(
                    "name",
                    default="my_clips",
                    tooltip="Folder of the encoded clips, in output/jova_datasets. What is there "
                    "already is not encoded again.",
                ),
                io.Combo.Input(
                    "codecs",
                    options=files.model_files("vae"),
                    advanced=True,
                    tooltip="The codecs that the model was trained with.",
                ),
                io.Float.Input(
                    "min_seconds",
                    default=1.0,
                    min=0.1,
                    max=60.0,
                    step=0.1,
                    advanced=True,
                    tooltip="Shorter clips are left out.",
                ),
                io.Float.Input(
                    "max_seconds",
                    default=4.0,
                    min=0.1,
                    max=60.0,
                    step=0.1,
                    advanced=True,
                    tooltip="Of longer clips only the beginning is used.",
                ),
                io.Float.Input(
                    "min_face_share",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    advanced=True,
                    tooltip="In how many of the frames a face must be found.",
                ),
            ],
            outputs=[
                _Dataset.Output(display_name="dataset", tooltip="For JoVA Train LoRA."),
                io.String.Output(
                    display_name="report", tooltip="What became of the clips, with reasons."
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, source: str, name: str, **_: Any) -> str:
        return adapter.source_state(source, name)

    @classmethod
    def execute(
        cls, model: Any, source: str, name: str, codecs: str, **rules: float
    ) -> io.NodeOutput:
        made = adapter.encode_dataset(model, source, name, codecs, rules)
        return io.NodeOutput(str(made.folder), made.report, ui=ui.PreviewText(made.report))


class JoVATrainLoRA(io.ComfyNode):
    """A LoRA for pictures and voice, trained with the mouth-area loss."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVATrainLoRA",
            display_name="JoVA Train LoRA",
            category="model/training/jova",
            description="Trains a LoRA for look and voice together, with extra weight on the "
            "mouth. Shows the loss and clips while it trains; cancel keeps what was learnt, and "
            "the next Run goes on from there.",
            search_aliases=["jova", "training", "train lora", "finetune", "mouth loss"],
            inputs=[
                io.Model.Input("model", tooltip="From Load JoVA Model, without other changes."),
                _Dataset.Input("dataset", tooltip="From JoVA Encode Dataset."),
                io.String.Input(
                    "name",
                    default="my_lora",
                    tooltip="Folder of the run, in output/jova_training. A run of this name goes "
                    "on; another name starts anew.",
                ),
                *_budget(),
                *_method(),
            ],
            outputs=[
                _LoRA.Output(
                    display_name="lora", tooltip="For Load LoRA Model and Save LoRA Weights."
                ),
                _Losses.Output(display_name="loss_map", tooltip="For Plot Loss Graph."),
                io.Int.Output(display_name="steps", tooltip="How many steps were trained."),
                io.Image.Output(display_name="curve", tooltip="The losses as a picture."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, model: Any, dataset: str, **choice: Any) -> io.NodeOutput:
        done = adapter.train_lora(model, dataset, adapter.TrainChoice(**choice))
        shown = ReportUI(done.report, done.curve, cls)
        return io.NodeOutput(done.tensors, {"loss": done.losses}, done.steps, done.curve, ui=shown)


def _budget() -> list[Any]:
    return [
        io.Int.Input(
            "steps", default=400, min=1, max=1_000_000, tooltip="More steps learn more closely."
        ),
        io.Int.Input(
            "batch", default=8, min=1, max=1024, tooltip="Clips a step; fewer need less memory."
        ),
        io.Float.Input(
            "learning_rate",
            default=2e-3,
            min=1e-7,
            max=0.1,
            step=1e-7,
            tooltip="How far a step goes. 0.002 suits the mini, 0.0001 large models.",
        ),
        io.Int.Input(
            "rank", default=16, min=1, max=1024, tooltip="Size of the LoRA: how much it can hold."
        ),
        io.Float.Input(
            "mouth_weight",
            default=5.0,
            min=0.0,
            max=100.0,
            step=0.5,
            tooltip="Extra weight of the mouth area in the loss, the paper's lambda. 0: none.",
        ),
        io.Int.Input(
            "preview_every",
            default=100,
            min=0,
            max=1_000_000,
            tooltip="Steps between two clips that show what is learnt. 0: none.",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=2**63 - 1,
            control_after_generate=False,
            tooltip="Of the first weights, the noise and the order.",
        ),
    ]


def _method() -> list[Any]:
    strength = {"default": 1.0, "min": 0.0, "max": 10.0, "step": 0.05, "advanced": True}
    return [
        io.Float.Input(
            "video_strength",
            tooltip="Share of the LoRA in the pictures. 0: voice only.",
            **strength,
        ),
        io.Float.Input(
            "audio_strength", tooltip="Share of the LoRA in the sound. 0: look only.", **strength
        ),
        io.Combo.Input(
            "dtype",
            options=["default", "bf16", "fp32"],
            advanced=True,
            tooltip="Precision of the computing. default: bf16 where the machine is fast in it.",
        ),
        io.Boolean.Input(
            "gradient_checkpointing",
            default=False,
            advanced=True,
            tooltip="Much less memory, a third slower.",
        ),
        io.String.Input(
            "preview_prompt",
            default="",
            optional=True,
            advanced=True,
            tooltip='What the clips show, such as: a face on a blue background says "hello". '
            "Empty: the prompt of a clip of the data set.",
        ),
    ]
