"""Training in the graph: clips → data set → LoRA."""

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
            description="Encodes clips of speaking people for training: latents, prompts and mouth "
            "masks. Reports every rejected clip with the reason. Needs the package mediapipe and "
            "its face model.",
            search_aliases=["jova", "training", "dataset", "lora", "make training dataset"],
            inputs=[
                io.Model.Input("model", tooltip="The JoVA model to train."),
                io.Combo.Input(
                    "source",
                    options=adapter.clip_sources(),
                    tooltip="A folder in ComfyUI's input folder, with videos and a .txt prompt of "
                    "the same name beside each; or a .jsonl list there.",
                ),
                io.String.Input(
                    "name",
                    default="my_clips",
                    tooltip="Folder in output/jova_datasets. Clips that are already encoded there "
                    "are skipped.",
                ),
                io.Combo.Input(
                    "codecs",
                    options=files.model_files("vae"),
                    advanced=True,
                    tooltip="Codecs of the model.",
                ),
                io.Float.Input(
                    "min_seconds",
                    default=1.0,
                    min=0.1,
                    max=60.0,
                    step=0.1,
                    advanced=True,
                    tooltip="Skip shorter clips.",
                ),
                io.Float.Input(
                    "max_seconds",
                    default=4.0,
                    min=0.1,
                    max=60.0,
                    step=0.1,
                    advanced=True,
                    tooltip="Cut longer clips to this length.",
                ),
                io.Float.Input(
                    "min_face_share",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    advanced=True,
                    tooltip="Skip clips that show a face in fewer of their frames.",
                ),
            ],
            outputs=[
                _Dataset.Output(display_name="dataset", tooltip="For JoVA Train LoRA."),
                io.String.Output(
                    display_name="report", tooltip="Encoded and skipped clips, with reasons."
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
        encoded = adapter.encode_dataset(model, source, name, codecs, rules)
        preview = ui.PreviewText(encoded.report)
        return io.NodeOutput(str(encoded.folder), encoded.report, ui=preview)


class JoVATrainLoRA(io.ComfyNode):
    """A LoRA for look and voice, trained with the mouth-area loss."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVATrainLoRA",
            display_name="JoVA Train LoRA",
            category="model/training/jova",
            description="Trains a LoRA for look and voice together, with extra weight on the "
            "mouth. Shows the loss and preview clips during training. Cancel keeps the progress; "
            "the next Run continues.",
            search_aliases=["jova", "training", "train lora", "finetune", "mouth loss"],
            inputs=[
                io.Model.Input("model", tooltip="From Load JoVA Model, without a LoRA."),
                _Dataset.Input("dataset", tooltip="From JoVA Encode Dataset."),
                io.String.Input(
                    "name",
                    default="my_lora",
                    tooltip="Folder of the run, in output/jova_training. The same name continues "
                    "the run; another name starts a new one.",
                ),
                *_budget(),
                *_method(),
            ],
            outputs=[
                _LoRA.Output(
                    display_name="lora", tooltip="For Load LoRA Model and Save LoRA Weights."
                ),
                _Losses.Output(display_name="loss_map", tooltip="For Plot Loss Graph."),
                io.Int.Output(display_name="steps", tooltip="Number of trained steps."),
                io.Image.Output(display_name="curve", tooltip="Plot of the losses."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, model: Any, dataset: str, **choice: Any) -> io.NodeOutput:
        run = adapter.train_lora(model, dataset, adapter.TrainChoice(**choice))
        preview = ReportUI(run.report, run.curve, cls)
        return io.NodeOutput(run.tensors, {"loss": run.losses}, run.steps, run.curve, ui=preview)


def _budget() -> list[Any]:
    return [
        io.Int.Input(
            "steps",
            default=400,
            min=1,
            max=1_000_000,
            tooltip="Training steps; more follow the clips more closely.",
        ),
        io.Int.Input(
            "batch", default=8, min=1, max=1024, tooltip="Clips per step; fewer need less memory."
        ),
        io.Float.Input(
            "learning_rate",
            default=2e-3,
            min=1e-7,
            max=0.1,
            step=1e-7,
            tooltip="Size of a training step: 0.002 for the mini, 0.0001 for large models.",
        ),
        io.Int.Input(
            "rank",
            default=16,
            min=1,
            max=1024,
            tooltip="Size of the LoRA; a larger one learns more and needs more memory.",
        ),
        io.Float.Input(
            "mouth_weight",
            default=5.0,
            min=0.0,
            max=100.0,
            step=0.5,
            tooltip="Extra weight of the mouth area in the loss (lambda in the paper). 0: none.",
        ),
        io.Int.Input(
            "preview_every",
            default=100,
            min=0,
            max=1_000_000,
            tooltip="Steps between preview clips. 0: no previews.",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=2**63 - 1,
            control_after_generate=False,
            tooltip="Seed of the initial weights, the noise and the clip order.",
        ),
    ]


def _method() -> list[Any]:
    strength = {"default": 1.0, "min": 0.0, "max": 10.0, "step": 0.05, "advanced": True}
    return [
        io.Float.Input(
            "video_strength",
            tooltip="Strength of the LoRA on the video. 0: train the voice only.",
            **strength,
        ),
        io.Float.Input(
            "audio_strength",
            tooltip="Strength of the LoRA on the audio. 0: train the look only.",
            **strength,
        ),
        io.Combo.Input(
            "dtype",
            options=["default", "bf16", "fp32"],
            advanced=True,
            tooltip="Training precision. default: bf16 where the hardware is fast at it.",
        ),
        io.Boolean.Input(
            "gradient_checkpointing",
            default=False,
            advanced=True,
            tooltip="Save much memory; a third slower.",
        ),
        io.String.Input(
            "preview_prompt",
            default="",
            optional=True,
            advanced=True,
            tooltip="Prompt of the preview clips, for example: a face on a blue background says "
            '"hello". Empty: a prompt from the data set.',
        ),
    ]
