"""Training nodes: clips of the input folder → an encoded data set → a LoRA."""

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.utils
import folder_paths
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from ...jova_core.decoding import generate
from ...jova_core.errors import JoVAError
from ...jova_core.media import write_clip
from ...jova_core.model.lora import BranchLoRA, LoRAConfig
from ...jova_core.pipeline import SampleSettings
from ...jova_core.prompt import Prompt
from ...jova_core.prompt_text import parse_prompt
from ...jova_core.training.curve import plot_losses, read_log
from ...jova_core.training.ema_pipeline import pipeline_of
from ...jova_core.training.encode import MouthRules, encode_clips
from ...jova_core.training.files_source import EncodeRules, FileSource
from ...jova_core.training.log import LOG
from ...jova_core.training.loop import TrainProgress, train
from ...jova_core.training.manifest import VIDEO_SUFFIXES, Entry, read_manifest
from ...jova_core.training.settings import TrainSettings
from ...jova_core.training.shards import INDEX, read_outcomes
from .files import chosen_path, face_model
from .load import WRAPPER
from .media import to_image
from .mini import bundled_notes, codecs_of, load_sample, mini_encoder, sample_names
from .model import model_config, model_notes

SAMPLES = "sample clips (bundled)"
_DATASETS, _RUNS = "jova_datasets", "jova_training"  # in ComfyUI's output folder
_PAUSE = 2.0  # s between two plots of the loss
_STRIP = 6  # frames of the latest preview clip below the curve


def clip_sources() -> list[str]:
    """Options of `source`: the bundled samples, then folders of videos and lists in `input`."""
    root = Path(folder_paths.get_input_directory())
    paths = [p for p in sorted(root.iterdir()) if _holds_clips(p)] if root.is_dir() else []
    return [SAMPLES, *(path.name for path in paths)]


def _holds_clips(path: Path) -> bool:
    if path.is_dir():
        return any(inner.suffix.lower() in VIDEO_SUFFIXES for inner in path.iterdir())
    return path.suffix.lower() == ".jsonl"


def source_entries(source: str) -> list[Entry]:
    """The clips of a source. Raises JoVAError for a source without clips."""
    if source == SAMPLES:
        return _sample_entries()
    return read_manifest(_inside(folder_paths.get_input_directory(), source, "source"))


def source_state(source: str, name: str) -> str:
    """Changes with every clip and caption of a source, and while its encoded clips are missing."""
    state = source if source == SAMPLES else repr([e.key() for e in source_entries(source)])
    made = _inside(_output(_DATASETS), name, "data set name") / INDEX
    return state if made.exists() else f"{state} missing at {time.time_ns()}"


def _sample_entries() -> list[Entry]:
    """The bundled characters as files with a fixed time stamp, so that they stay encoded.

    Their mouths are known: no face model is needed.
    """
    folder = Path(folder_paths.get_temp_directory()) / "jova_sample_clips"
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for name in sample_names():
        sample, video, mouth = load_sample(name), folder / f"{name}.mp4", folder / f"{name}.png"
        if not mouth.exists():
            rates = {"fps": sample.fps, "sample_rate": sample.sample_rate}
            write_clip(video, sample.frames, sample.audio, **rates)
            mask = Image.new("L", (sample.frames.shape[2], sample.frames.shape[1]))
            mask.paste(255, sample.mouth)
            mask.save(mouth)
        for path in (video, mouth):
            os.utime(path, (0, 0))
        entries.append(Entry(video=video, mouth=mouth, **vars(sample.prompt)))
    return entries


def _inside(base: str, name: str, what: str) -> Path:
    root = Path(base).resolve()
    path = (root / name.strip()).resolve()
    if not name.strip() or path == root or not path.is_relative_to(root):
        raise JoVAError(f"Got the {what} {name!r}; expected one inside {root}; give a plain name.")
    return path


@dataclass(frozen=True, kw_only=True)
class EncodedSet:
    """An encoded data set and its report."""

    folder: Path
    report: str


def encode_dataset(
    model: Any, source: str, name: str, codecs: str, rules: dict[str, float]
) -> EncodedSet:
    """Encode a source into the output folder; updating the progress bar raises after a cancel."""
    mouths = MouthRules(min_share=rules.pop("min_face_share"))
    clips = FileSource(source_entries(source), EncodeRules(**rules))
    folder = _inside(_output(_DATASETS), name, "data set name")
    bar = comfy.utils.ProgressBar(len(clips.manifest))
    outcomes = encode_clips(
        clips,
        folder,
        model_config(model),
        partial(codecs_of, chosen_path("vae", codecs)),
        mouths=mouths,
        workers=1,
        model_path=face_model(),
        progress=bar.update_absolute,
    )
    lines = [f"Encoded {sum(o.clip is not None for o in outcomes)} of {len(outcomes)} clips."]
    for outcome in outcomes:
        remark = f"skipped, {outcome.reason}" if outcome.reason else "; ".join(outcome.notes)
        if remark:
            lines.append(f"{Path(outcome.source).name}: {remark}")
    return EncodedSet(folder=folder, report="\n".join(lines))


def _output(kind: str) -> str:
    return str(Path(folder_paths.get_output_directory()) / kind)


@dataclass(frozen=True, kw_only=True)
class TrainChoice:
    """Settings of JoVA Train LoRA."""

    name: str
    steps: int
    batch: int
    learning_rate: float
    rank: int
    mouth_weight: float
    preview_every: int
    seed: int
    preview_prompt: str = ""
    video_strength: float = 1.0
    audio_strength: float = 1.0
    dtype: str = "default"
    gradient_checkpointing: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainedLoRA:
    """A finished run."""

    tensors: dict[str, Tensor]
    losses: list[float]
    steps: int
    curve: Tensor  # IMAGE [1, H, W, 3]
    report: str


def train_lora(model: Any, dataset: str, choice: TrainChoice) -> TrainedLoRA:
    """Train, or continue the run of that name; a cancel keeps its state.

    Raises JoVAError for a patched model and for settings that `train` refuses.
    """
    checkpoint = _unchanged_file(model)
    out = _inside(_output(_RUNS), choice.name, "run name")
    device = comfy.model_management.get_torch_device()
    encoder = mini_encoder(model_config(model), model_notes(model) or bundled_notes())
    comfy.model_management.unload_all_models()
    comfy.model_management.soft_empty_cache()
    with torch.inference_mode(False), torch.enable_grad():
        encoders = (encoder,)
        monitor = _Monitor(out, _preview(dataset, choice), choice, model, encoders)
        path = train(
            Path(dataset),
            out,
            model_config(model),
            _settings(choice, device),
            encoders,
            notes={"vocabulary": encoder.vocabulary.to_dict()},
            lora=_lora(choice),
            init_from=checkpoint,
            resume=(out / "state.safetensors").exists(),
            callbacks=[monitor],
            device=device,
        )
    if monitor.cancelled:
        raise comfy.model_management.InterruptProcessingException
    lines = read_log(out / LOG)
    return TrainedLoRA(
        tensors=load_file(path),
        losses=[line["loss"] for line in lines],
        steps=lines[-1]["step"],
        curve=to_image(plot_losses(lines)[None]),
        report=f"Trained {lines[-1]['step']} steps in {out}. Run again to continue.",
    )


def _unchanged_file(model: Any) -> Path:
    model_config(model)  # says what came where it is no JoVA
    found = changes_of(model)
    if found:
        raise JoVAError(
            f"Got a model with changes of other nodes ({', '.join(found)}), which training would "
            "leave out; expected it as its file holds it; connect Load JoVA Model directly."
        )
    _, (path, *_) = model.cached_patcher_init
    return path


def changes_of(model: Any) -> list[str]:
    """What nodes between the loader and here have changed in a MODEL."""
    options = model.model_options
    inner = options.get("transformer_options", {})
    wrappers = [key for kinds in model.wrappers.values() for key in kinds if key != WRAPPER]
    found = {
        "weights, perhaps of a LoRA or a merge": model.patches or model.weight_wrapper_patches,
        "a bypassed LoRA": model.injections,
        "objects such as its sampling": model.object_patches,
        "wrappers": wrappers,
        "guidance or attention": set(options) - {"transformer_options"} or any(inner.values()),
    }
    return [name for name, changed in found.items() if changed]


def _settings(choice: TrainChoice, device: torch.device) -> TrainSettings:
    fast = comfy.model_management.should_use_bf16(device)
    return TrainSettings(
        seed=choice.seed,
        batch=choice.batch,
        steps=choice.steps,
        learning_rate=choice.learning_rate,
        warmup=10,
        ema=0.98,
        mouth_weight=choice.mouth_weight,
        checkpoint_every=50,
        log_every=1,
        compile=False,
        gradient_checkpointing=choice.gradient_checkpointing,
        dtype=("bf16" if fast else "fp32") if choice.dtype == "default" else choice.dtype,
    )


def _lora(choice: TrainChoice) -> LoRAConfig:
    return LoRAConfig(
        rank=choice.rank,
        alpha=float(choice.rank),
        audio=BranchLoRA(strength=choice.audio_strength),
        video=BranchLoRA(strength=choice.video_strength),
    )


@dataclass(frozen=True, kw_only=True)
class _Preview:
    """Prompt and length of the preview clips."""

    prompt: Prompt
    frames: int


def _preview(dataset: str, choice: TrainChoice) -> _Preview:
    """The chosen prompt, else that of the shortest clip; in the length of the shortest clip."""
    clips = [o.clip for o in read_outcomes(Path(dataset)).values() if o.clip is not None]
    if not clips:
        raise JoVAError(
            f"Got {dataset} without encoded clips; expected some to train on; see the report of "
            "JoVA Encode Dataset for the reasons, or run it again if the folder was deleted."
        )
    shortest = min(clips, key=lambda clip: clip.frames)
    text = choice.preview_prompt.strip()
    prompt = parse_prompt(text) if text else shortest.prompt
    return _Preview(prompt=prompt, frames=shortest.frames)


class _Monitor:
    """Callback of the training: shows the losses and preview clips, and notices a cancel."""

    def __init__(
        self, out: Path, preview: _Preview, choice: TrainChoice, model: Any, encoders: Any
    ) -> None:
        self.out, self.preview, self.choice = out, preview, choice
        self.encoders = encoders
        codecs = codecs_of(None)
        # Without the right codecs there are no preview clips.
        self.codecs = codecs if codecs.stats.match(model_config(model)) else None
        self.bar = comfy.utils.ProgressBar(choice.steps)
        self.last_plot, self.frames, self.cancelled = 0.0, None, False

    def __call__(self, progress: TrainProgress) -> bool:
        last = progress.step == progress.steps
        every = self.choice.preview_every
        enabled = every > 0 and self.codecs is not None
        new_clip = enabled and (progress.step % every == 0 or last)
        if new_clip:
            self.frames = self._clip(progress)
        due = new_clip or last or time.monotonic() - self.last_plot >= _PAUSE
        image = ("PNG", self._image(), None) if due else None
        try:
            self.bar.update_absolute(progress.step, progress.steps, image)
        except comfy.model_management.InterruptProcessingException:
            self.cancelled = True
        return self.cancelled

    def _clip(self, progress: TrainProgress) -> Tensor:
        settings = SampleSettings(seed=self.choice.seed)
        with pipeline_of(progress, self.codecs, self.encoders) as pipeline:
            return generate(pipeline, self.preview.prompt, self.preview.frames, settings).frames

    def _image(self) -> Image.Image:
        self.last_plot = time.monotonic()
        curve = Image.fromarray(plot_losses(read_log(self.out / LOG)).numpy())
        if self.frames is None:
            return curve
        picks = torch.linspace(0, len(self.frames) - 1, _STRIP).long()
        width = curve.width // _STRIP
        height = width * self.frames.shape[1] // self.frames.shape[2]
        sheet = Image.new("RGB", (curve.width, curve.height + height), "white")
        sheet.paste(curve)
        for column, frame in enumerate(self.frames[picks]):
            small = Image.fromarray(frame.numpy()).resize((width, height), Image.Resampling.BICUBIC)
            sheet.paste(small, (column * width, curve.height))
        return sheet
