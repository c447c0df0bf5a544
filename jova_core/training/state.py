"""The state of a run on disk: master weights, their EMA and the optimiser, bit for bit.

A state file is local to one run (safetensors + JSON, fp32); to share, use a checkpoint.
"""

import ast
import json
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..config import TextEncoderSpec
from ..errors import JoVAError
from ..files import read_tensors, write_tensors

FORMAT = "jova-train-state-2"
# Holds a digest of the settings in the place of the settings, so they cannot be compared.
OLD_FORMAT = "jova-train-state-1"

Identity = dict[str, str]
_WORDS = {
    "start": "the weights that it starts from",
    "clips": "the clips of the data set",
    "vocabulary": "the words of the vocabulary",
}


@dataclass(frozen=True, kw_only=True)
class TrainState:
    """Step number, every tensor of the run by name, and its settings as text.

    `identity` is empty in states of an earlier version.
    """

    step: int
    identity: Identity
    tensors: dict[str, Tensor]


def save_state(path: Path, state: TrainState) -> None:
    """Write the state whole or not at all."""
    about = {"format": FORMAT, "step": str(state.step), "identity": json.dumps(state.identity)}
    write_tensors(path, state.tensors, about)


def load_state(path: Path, identity: Identity) -> TrainState:
    """Read a state; JoVAError for another file, and for other settings, with their names."""
    expected = "a state.safetensors that `jova train` wrote"
    tensors, about = read_tensors(path, "training state", expected)
    if about.get("format") == OLD_FORMAT:
        return TrainState(step=int(about["step"]), identity={}, tensors=tensors)
    if about.get("format") != FORMAT:
        raise JoVAError(f"{path} is not a training state; give the one beside the run's log.")
    before = _by_fields(json.loads(about["identity"]))
    changes = [
        _change(name, before, identity)
        for name in sorted(before.keys() | identity.keys())
        if before.get(name) != identity.get(name)
    ]
    if changes:
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        raise JoVAError(
            f"{path} was trained with other settings ({'; '.join(changes[:3])}{more}); resume with "
            "the same ones, or start a new run under another name."
        )
    return TrainState(step=int(about["step"]), identity=before, tensors=tensors)


def _change(name: str, before: Identity, now: Identity) -> str:
    """What differs, in words where its values are digests or long lists."""
    if name in _WORDS:
        return f"{_WORDS[name]} differ"
    return f"{name} was {before.get(name, 'the default')}, now {now.get(name, 'the default')}"


def identity_of(**parts: Any) -> Identity:
    """Everything behind the numbers of a run, by dotted name, without fields at their default.

    So a new field in a later version changes nothing for older runs.
    """
    identity: Identity = {}
    for name, value in parts.items():
        if is_dataclass(value):
            changed = {f.name: getattr(value, f.name) for f in fields(value) if _differs(f, value)}
            identity |= identity_of(**{f"{name}.{k}": v for k, v in changed.items()})
        elif value and isinstance(value, tuple) and all(map(is_dataclass, value)):
            identity |= identity_of(**{f"{name}.{i}": part for i, part in enumerate(value)})
        else:
            identity[name] = str(value)
    return identity


def _by_fields(identity: Identity) -> Identity:
    """An identity whose text encoders are by their fields; before, they were one value's `repr`."""
    whole = identity.pop("config.text", None)
    if whole is None:
        return identity
    specs = tuple(
        TextEncoderSpec(**{key.arg: ast.literal_eval(key.value) for key in call.keywords})
        for call in ast.parse(whole, mode="eval").body.elts
    )
    return identity | identity_of(**{"config.text": specs})


def _differs(field: Any, owner: Any) -> bool:
    factory = field.default_factory
    default = field.default if factory is MISSING else factory()
    return default is MISSING or getattr(owner, field.name) != default


def optimizer_tensors(optimizers: list[Optimizer]) -> dict[str, Tensor]:
    """Every state tensor of the optimisers as `optim.<n>.<parameter>.<field>`."""
    return {
        f"optim.{n}.{parameter}.{field}": torch.as_tensor(value)
        for n, optimizer in enumerate(optimizers)
        for parameter, fields in optimizer.state_dict()["state"].items()
        for field, value in fields.items()
    }


def restore_optimizers(optimizers: list[Optimizer], tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`."""
    for n, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Any]] = {}
        for name, value in tensors.items():
            kind, *where = name.split(".", 3)
            if kind == "optim" and int(where[0]) == n:
                state.setdefault(int(where[1]), {})[where[2]] = value
        full = optimizer.state_dict()
        optimizer.load_state_dict({**full, "state": state})
