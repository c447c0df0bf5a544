"""The tensors of a safetensors checkpoint, in one file or in shards, read one at a time.

Files are read and not mapped, as mapped pages count as memory of the process.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from ...errors import JoVAError
from ...files import read_metadata

# Names of safetensors: of what can be converted, as 8-bit weights have lost what a copy needs, and
# of all that is read and written.
FLOATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
DTYPES = FLOATS | {"F8_E4M3": torch.float8_e4m3fn, "I8": torch.int8, "U8": torch.uint8}
ALLOWED = "a video backbone: a .safetensors file, the .index.json of its shards, or their folder"
CHUNK = 1 << 22  # bytes


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Where a tensor lies: its file, the first of its bytes there, dtype and shape."""

    file: Path
    start: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Tensors by name; `path` is what the user gave, `files` where they lie."""

    path: Path
    files: tuple[Path, ...]
    tensors: dict[str, Stored]

    @staticmethod
    def of(path: Path) -> "Source":
        """The checkpoint at a file, an index or a folder. JoVAError where it cannot be read."""
        files = _files(path)
        tensors: dict[str, Stored] = {}
        for file in files:
            tensors |= _stored(file)
        return Source(path=path, files=files, tensors=tensors)

    def read(self, name: str, out: Tensor) -> None:
        """Fill contiguous `out` with a tensor of as many values; another dtype is converted."""
        stored = self.tensors[name]
        if torch.Size(stored.shape).numel() != out.numel():
            raise JoVAError(
                f"Got {name} of the shape {stored.shape} in {stored.file}; expected "
                f"{out.numel()} values; give a whole checkpoint."
            )
        if DTYPES[stored.dtype] != out.dtype:
            own = torch.empty(stored.shape, dtype=DTYPES[stored.dtype])
            self.read(name, own)
            out.copy_(own.view(out.shape))
            return
        view = memoryview(out.view(-1).view(torch.uint8).numpy())
        with stored.file.open("rb", buffering=0) as file:
            file.seek(stored.start)
            done = 0
            while done < len(view):
                count = file.readinto(view[done:])
                if not count:
                    raise JoVAError(f"{stored.file} became shorter while it was read; start again.")
                done += count

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file, by name."""
        return {file.name: _digest(file) for file in self.files}


def _digest(file: Path) -> str:
    digest, buffer = sha256(), bytearray(CHUNK)
    with file.open("rb", buffering=0) as opened:
        while count := opened.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()


def _files(path: Path) -> tuple[Path, ...]:
    if path.is_dir():
        found = sorted(path.glob("*.safetensors.index.json")) or sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            raise JoVAError(
                f"Got the folder {path} with {len(found)} checkpoints; expected one; give the path "
                f"of {ALLOWED}."
            )
        path = found[0]
    if path.suffix != ".json":
        return (path,)
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        names = sorted(set(index["weight_map"].values()))
        return tuple(path.parent / name for name in names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise JoVAError(
            f"Got {path}, which is no index of shards ({error}); give the path of {ALLOWED}."
        ) from error


def _stored(path: Path) -> dict[str, Stored]:
    read_metadata(path, "backbone", ALLOWED)  # refuses what is missing, truncated or foreign
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: Stored(
            file=path,
            start=8 + length + entry["data_offsets"][0],
            dtype=entry["dtype"],
            shape=tuple(entry["shape"]),
        )
        for name, entry in header.items()
    }
