"""The adapter: everything that knows ComfyUI beyond the node API, behind plain functions."""

from .codecs import load_codec_vaes
from .files import BUNDLED, chosen_path, model_files
from .latents import empty_latent, give_audio, give_film, give_first_frame
from .media import save_clip
from .model import WEIGHT_DTYPES, load_model, memory_factor, model_config
from .mouth import mouth_masks
from .routes import add_routes
from .sampling import SamplerChoice, sample, sampler_names, scheduler_names
from .text import add_picture, encode_prompts, load_text_encoder, prompt_remarks
from .training import TrainChoice, clip_sources, encode_dataset, source_state, train_lora
from .video import (
    ReportUI,
    SavedClipUI,
    decode,
    plan_length,
    required,
    sample_media,
    sync_report,
)

__all__ = [
    "BUNDLED",
    "WEIGHT_DTYPES",
    "ReportUI",
    "SamplerChoice",
    "SavedClipUI",
    "TrainChoice",
    "add_picture",
    "add_routes",
    "chosen_path",
    "clip_sources",
    "decode",
    "empty_latent",
    "encode_dataset",
    "encode_prompts",
    "give_audio",
    "give_film",
    "give_first_frame",
    "load_codec_vaes",
    "load_model",
    "load_text_encoder",
    "memory_factor",
    "model_config",
    "model_files",
    "mouth_masks",
    "plan_length",
    "prompt_remarks",
    "required",
    "sample",
    "sample_media",
    "sampler_names",
    "save_clip",
    "scheduler_names",
    "source_state",
    "sync_report",
    "train_lora",
]
