"""One checkpoint from two: the video branch of one, the audio branch of the other.

The branches share no weights, so that each can be trained alone, on another machine say.
"""

from pathlib import Path

from ..errors import JoVAError
from .checkpoint import load_jova, save_jova
from .streams import DUAL, branch_of


def branch_of_tensor(name: str) -> str:
    """The branch that a tensor of a network belongs to; learned positions count as video."""
    kind, *rest = name.split(".")
    if kind == "branches":
        return rest[0]
    if kind in ("double_blocks", "single_blocks"):
        return branch_of(rest[1])
    return branch_of(DUAL[-1])


def join_branches(video: Path, audio: Path, out: Path) -> None:
    """Write the video branch of one checkpoint and the audio branch of another, in bf16, to `out`.

    Notes are the first one's. JoVAError for checkpoints of different configs or vocabularies.
    """
    first, second = load_jova(video), load_jova(audio)
    if first.config != second.config:
        raise JoVAError(f"{audio} has another config than {video}; join checkpoints of one config.")
    words = [checkpoint.notes.get("vocabulary") for checkpoint in (first, second)]
    if words[0] != words[1]:
        raise JoVAError(f"{audio} was trained on other words than {video}; join those of the same.")
    heard = branch_of(DUAL[0])
    tensors = {
        name: (second if branch_of_tensor(name) == heard else first).tensors[name].bfloat16()
        for name in first.tensors
    }
    save_jova(out, tensors, first.config, first.notes)
