"""A safetensors file written tensor by tensor, which goes on where a killed process stopped.

The header is written by hand: safetensors' own writer wants all tensors at once. Beside the target
stand the unfinished file and a journal with the SHA-256 of each tensor that is in it; when work
goes on, those are read and hashed again, so what was lost or damaged is made anew.
"""

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from io import FileIO
from pathlib import Path
from shutil import disk_usage

import torch

from ...errors import JoVAError
from ...files import check_target, publish, write_problem
from .recipes import Recipe
from .source import CHUNK, DTYPES

_NO_DIGEST = "0" * 64
Progress = Callable[[int, int], None]  # called with (tensors done, all tensors)


def write_tensors(
    target: Path,
    recipes: Sequence[Recipe],
    metadata: Callable[[str], dict[str, str]],
    progress: Progress | None = None,
) -> int:
    """Write a file of all recipes, whole or not at all; how many tensors were found done.

    metadata: from the digest of all tensors, 64 characters, to the file's metadata, whose length
    may not depend on it. JoVAError where the disk is full or the folder cannot be written to; what
    is done stays for the next call with the same recipes.
    """
    check_target(target)
    recipes = sorted(recipes, key=lambda r: (-DTYPES[r.dtype].itemsize, r.name))
    header = _header(recipes, metadata(_NO_DIGEST))
    part, journal = (target.with_name(f".{target.name}.{kind}") for kind in ("part", "journal"))
    try:
        known = _known(journal, sha256(header).hexdigest()) if part.exists() else {}
        size = len(header) + sum(_size(recipe) for recipe in recipes)
        _check_space(target, size - (part.stat().st_size if part.exists() else 0))
        with part.open("r+b" if known else "w+b", buffering=0) as file:
            if not known:
                journal.write_text(json.dumps({"plan": sha256(header).hexdigest()}) + "\n")
            found, digests = _fill(
                file, recipes, len(header), journal=journal, known=known, progress=progress
            )
            digest = sha256("".join(f"{n} {d}\n" for n, d in sorted(digests.items())).encode())
            final = _header(recipes, metadata(digest.hexdigest()))
            assert len(final) == len(header)
            file.seek(0)
            file.write(final)
        publish(part, target)
        journal.unlink()
    except OSError as error:
        raise write_problem(target, error.errno, error.strerror or str(error)) from error
    return found


def _fill(
    file: FileIO,
    recipes: Sequence[Recipe],
    start: int,
    *,
    journal: Path,
    known: dict[str, str],
    progress: Progress | None,
) -> tuple[int, dict[str, str]]:
    """Write what is not there yet; how many tensors were, and the SHA-256 of each by name."""
    digests, found = {}, 0
    with journal.open("a", encoding="utf-8") as record:
        for done, recipe in enumerate(recipes):
            if recipe.name in known and _digest(file, start, _size(recipe)) == known[recipe.name]:
                digests[recipe.name] = known[recipe.name]
                found += 1
            else:
                digests[recipe.name] = _write(file, start, recipe)
                record.write(json.dumps({"name": recipe.name, "sha256": digests[recipe.name]}))
                record.write("\n")
                record.flush()
            start += _size(recipe)
            if progress is not None:
                progress(done + 1, len(recipes))
    return found, digests


def _write(file: FileIO, start: int, recipe: Recipe) -> str:
    """Make one tensor and write it at its place; its SHA-256."""
    out = torch.empty(recipe.shape, dtype=DTYPES[recipe.dtype])
    recipe.fill(out)
    view = memoryview(out.view(-1).view(torch.uint8).numpy())
    digest = sha256(view)
    file.seek(start)
    while view:
        view = view[file.write(view[:CHUNK]) :]
    return digest.hexdigest()


def _digest(file: FileIO, start: int, size: int) -> str:
    """SHA-256 of bytes that are in the file already; of fewer where it ends before."""
    digest, buffer = sha256(), memoryview(bytearray(CHUNK))
    file.seek(start)
    while size and (count := file.readinto(buffer[: min(size, CHUNK)])):
        digest.update(buffer[:count])
        size -= count
    return digest.hexdigest()


def _header(recipes: Sequence[Recipe], metadata: dict[str, str]) -> bytes:
    """The length in 8 bytes and the JSON, padded with spaces so that the tensors start at 8·n."""
    entries: dict[str, object] = {"__metadata__": metadata}
    offset = 0
    for recipe in recipes:
        end = offset + _size(recipe)
        entries[recipe.name] = {
            "dtype": recipe.dtype,
            "shape": list(recipe.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _size(recipe: Recipe) -> int:
    return torch.Size(recipe.shape).numel() * DTYPES[recipe.dtype].itemsize


def _known(journal: Path, plan: str) -> dict[str, str]:
    """What a journal of the same plan says is done; nothing where it has another or none."""
    try:
        lines = journal.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            break  # the line that was being written
    if not records or records[0] != {"plan": plan}:
        return {}
    return {record["name"]: record["sha256"] for record in records[1:]}


def _check_space(target: Path, needed: int) -> None:
    free = disk_usage(target.parent).free
    if free < needed:
        raise JoVAError(
            f"Got {free / 1e9:.1f} GB of free disk for {target}; it needs {needed / 1e9:.1f} GB "
            "more; free some space or choose another folder."
        )
