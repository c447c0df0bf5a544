"""JoVA checkpoints: safetensors whose metadata holds the config; a file describes itself."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import JoVAConfig
from ..errors import JoVAError
from ..files import read_header, read_tensor, read_tensors, write_tensors
from ..presets import PRESETS, preset_config
from .jova import JoVA
from .quantized import dequantized

FORMAT = "jova-1"
CORE_PREFIX = "model.diffusion_model."  # before every name in files of ComfyUI's save nodes
# The metadata as JSON in a uint8 tensor, for programs that write metadata of their own.
ABOUT = "jova.about"
Shapes = dict[str, tuple[int, ...]]
_KIND = ("checkpoint", "a JoVA checkpoint (.safetensors)")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The content of a file: config, tensors, and notes such as vocabulary and training."""

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
    write_tensors(path, tensors, metadata_of(config, notes))


def metadata_of(config: JoVAConfig, notes: dict[str, Any]) -> dict[str, str]:
    """The metadata of a checkpoint's header.

    Notes of any checkpoint may contain `licence`, the terms of its weights, and `source`, their
    origin.
    """
    return {"format": FORMAT, "config": config.to_json(), "notes": json.dumps(notes)}


def about_tensor(metadata: dict[str, str]) -> Tensor:
    """Metadata as the tensor ABOUT."""
    return torch.frombuffer(bytearray(json.dumps(metadata).encode()), dtype=torch.uint8)


def load_jova(path: Path, *, preset: str | None = None) -> Checkpoint:
    """Read a checkpoint; `preset` names the config of a file without metadata.

    ComfyUI's save and merge nodes drop metadata. Shapes then tell which presets match, but rates
    cannot be guessed, so one has to be named. Raises JoVAError for a missing, truncated or foreign
    file.
    """
    config, notes = read_config(path, preset=preset)
    return Checkpoint(config=config, tensors=load_tensors(path, config), notes=notes)


def load_tensors(path: Path, config: JoVAConfig) -> dict[str, Tensor]:
    """The tensors of a network of this config, by their own names; 8-bit ones in fp32 again.

    JoVAError where the file holds another network.
    """
    tensors, _ = read_tensors(path, *_KIND)
    inner = {
        name.removeprefix(CORE_PREFIX): tensor
        for name, tensor in tensors.items()
        if name.startswith(CORE_PREFIX)
    }
    tensors = inner or {name: tensor for name, tensor in tensors.items() if name != ABOUT}
    tensors = dequantized(tensors)
    _check_shapes(path, tensors, config)
    return tensors


def read_config(path: Path, *, preset: str | None = None) -> tuple[JoVAConfig, dict[str, Any]]:
    """Config and notes of a file, without reading a tensor; errors as in `load_jova`."""
    metadata, shapes = _header(path)
    known = metadata.get("format") == FORMAT
    if known:
        config, notes = JoVAConfig.from_json(metadata.get("config", "")), _notes(path, metadata)
        if preset is None:
            return config, notes
    cores = {n.removeprefix(CORE_PREFIX): s for n, s in shapes.items() if n.startswith(CORE_PREFIX)}
    chosen = _config_of(path, cores or shapes, preset)
    return (config, notes) if known else (chosen, {})


def read_notes(path: Path) -> dict[str, Any]:
    """The notes of a file, none where it lost its metadata."""
    metadata, _ = _header(path)
    return _notes(path, metadata) if metadata.get("format") == FORMAT else {}


def _header(path: Path) -> tuple[dict[str, str], Shapes]:
    """Metadata, also as `about_tensor` keeps it, and shapes."""
    metadata, shapes = read_header(path, *_KIND)
    if ABOUT not in shapes:
        return metadata, shapes
    try:
        metadata = json.loads(bytes(read_tensor(path, ABOUT, *_KIND).tolist()))
    except ValueError as error:
        raise JoVAError(f"Got damaged metadata in {path} ({error}); give another file.") from error
    return metadata if isinstance(metadata, dict) else {}, shapes


def expected_shapes(config: JoVAConfig) -> Shapes:
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


def _config_of(path: Path, shapes: Shapes, preset: str | None) -> JoVAConfig:
    if preset is not None:
        config = preset_config(preset)
        if _fits(config, shapes):
            return config
    matching = " or ".join(name for name, config in PRESETS.items() if _fits(config, shapes))
    if matching and preset is not None:
        raise JoVAError(
            f"Got the preset {preset} for {path.name}; expected {matching}, which its shapes "
            "match; choose that one."
        )
    if matching:
        raise JoVAError(
            f"{path} has lost its metadata, so its rates are unknown; its shapes match the preset "
            f"{matching}: choose that preset in ComfyUI's Load JoVA Model, or give a file with "
            "metadata."
        )
    raise JoVAError(
        f"{path} is not a JoVA checkpoint: its tensors match no preset; give another file."
    )


def _fits(config: JoVAConfig, shapes: Shapes) -> bool:
    """Whether a file of these shapes can hold this model; quantised rows may be packed."""
    expected = expected_shapes(config)
    return all(shapes.get(name, (0,))[:1] == shape[:1] for name, shape in expected.items())


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
            f"{path} does not match its config: {len(missing)} tensors are missing, {len(wrong)} "
            f"have another shape, {len(extra)} are unknown, first {example}; give another file."
        )
