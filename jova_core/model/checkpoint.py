"""JoVA checkpoints: safetensors whose metadata holds the config; a file describes itself."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..config import PRESETS, JoVAConfig, JoVAError
from ..files import atomic_write, read_tensors
from .jova import JoVA

FORMAT = "jova-1"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a file holds: its config, its tensors, and notes such as vocabulary and training."""

    config: JoVAConfig
    tensors: dict[str, Tensor]
    notes: dict[str, Any]

    def model(self, dtype: torch.dtype = torch.float32) -> JoVA:
        """The network in `dtype` on the CPU, in eval mode, without gradients."""
        with torch.device("meta"):
            model = JoVA(self.config, dtype=dtype)
        tensors = {name: tensor.to(dtype) for name, tensor in self.tensors.items()}
        model.load_state_dict(tensors, assign=True)
        return model.eval().requires_grad_(False)


def save_jova(
    path: Path, tensors: dict[str, Tensor], config: JoVAConfig, notes: dict[str, Any]
) -> None:
    """Write a checkpoint whole or not at all; `notes` must be JSON."""
    metadata = {"format": FORMAT, "config": config.to_json(), "notes": json.dumps(notes)}
    with atomic_write(Path(path)) as temporary:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata=metadata)


def load_jova(path: Path, *, preset: str | None = None) -> Checkpoint:
    """Read a checkpoint; `preset` names the config of a file without metadata.

    Core's save and merge nodes drop metadata. Shapes then tell which presets fit, but rates cannot
    be guessed, so one has to be named. Raises JoVAError for a missing, truncated or foreign file.
    """
    tensors, metadata = read_tensors(path, "checkpoint", "a JoVA checkpoint (.safetensors)")
    config, notes = describe(path, tensors, metadata, preset=preset)
    _check_shapes(path, tensors, config)
    return Checkpoint(config=config, tensors=tensors, notes=notes)


def describe(
    path: Path, tensors: dict[str, Tensor], metadata: dict[str, str], *, preset: str | None = None
) -> tuple[JoVAConfig, dict[str, Any]]:
    """Config and notes of a file that has been read; errors as in `load_jova`.

    Its tensors may be quantised and are looked at only where the metadata is lost.
    """
    if metadata.get("format") == FORMAT:
        return JoVAConfig.from_json(metadata.get("config", "")), _notes(path, metadata)
    return _config_of(path, tensors, preset), {}


def expected_shapes(config: JoVAConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a checkpoint."""
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in JoVA(config).state_dict().items()}


def _notes(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        return json.loads(metadata["notes"])
    except (KeyError, ValueError) as error:
        raise JoVAError(
            f"{path} has damaged metadata (notes: {error}); give another file."
        ) from error


def _config_of(path: Path, tensors: dict[str, Tensor], preset: str | None) -> JoVAConfig:
    if preset is not None:
        if preset not in PRESETS:
            raise JoVAError(f"The preset {preset!r} is unknown; allowed are {', '.join(PRESETS)}.")
        return PRESETS[preset]
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    fitting = [name for name, config in PRESETS.items() if expected_shapes(config) == shapes]
    if fitting:
        raise JoVAError(
            f"{path} has lost its metadata, so its rates are unknown; its shapes fit the preset "
            f"{' or '.join(fitting)}: give `load_jova` the preset's name, or a file with metadata."
        )
    raise JoVAError(f"{path} is no JoVA checkpoint: its tensors fit no preset; give another file.")


def _check_shapes(path: Path, tensors: dict[str, Tensor], config: JoVAConfig) -> None:
    expected = expected_shapes(config)
    missing = sorted(expected.keys() - tensors.keys())
    wrong = sorted(
        name
        for name in expected.keys() & tensors.keys()
        if tuple(tensors[name].shape) != expected[name]
    )
    if missing or wrong or len(tensors) != len(expected):
        extra = sorted(tensors.keys() - expected.keys())
        example = (missing + wrong + extra)[0]
        raise JoVAError(
            f"{path} does not hold the model its config describes: {len(missing)} tensors are "
            f"missing, {len(wrong)} have another shape, {len(extra)} are unknown, first {example}."
        )
