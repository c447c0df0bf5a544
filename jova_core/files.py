"""Files on disk: checks before reading, safetensors, and atomic writes."""

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from .errors import JoVAError

if TYPE_CHECKING:
    from torch import Tensor


def existing_file(path: str | Path, kind: str, allowed: str) -> Path:
    """Return `path` when it is a readable file with content; `kind` is "picture", "sound", ..."""
    path = Path(path)
    advice = f"give the path of {allowed}"
    try:
        if not path.exists():
            raise JoVAError(f"The {kind} file {path} does not exist; {advice}.")
        if path.is_dir():
            raise JoVAError(f"{path} is a folder, not a {kind} file; {advice}.")
        with path.open("rb") as file:
            first = file.read(1)
    except OSError as error:
        raise JoVAError(
            f"The {kind} file {path} cannot be opened ({error.strerror}); "
            "allow reading it or give another file."
        ) from error
    if not first:
        raise JoVAError(f"The {kind} file {path} is empty; {advice}.")
    return path


def read_tensors(
    path: str | Path, kind: str, allowed: str
) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Tensors and metadata of a safetensors file; `kind` and `allowed` as in `existing_file`."""
    with _open(path, kind, allowed) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def read_tensor(path: str | Path, name: str, kind: str, allowed: str) -> "Tensor":
    """One tensor of a file that holds it; the other arguments as in `read_tensors`."""
    with _open(path, kind, allowed) as file:
        return file.get_tensor(name)


def read_metadata(path: str | Path, kind: str, allowed: str) -> dict[str, str]:
    """The metadata alone, without reading a tensor; arguments as in `read_tensors`."""
    with _open(path, kind, allowed) as file:
        return file.metadata() or {}


def read_header(
    path: str | Path, kind: str, allowed: str
) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """Metadata and tensor shapes, without reading a tensor; arguments as in `read_tensors`."""
    with _open(path, kind, allowed) as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        return file.metadata() or {}, shapes


def write_tensors(
    path: str | Path, tensors: "Mapping[str, Tensor]", metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file whole or not at all; errors as in `atomic_write`."""
    from safetensors.torch import save_file  # loads torch

    with atomic_write(Path(path)) as temporary:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)


@contextmanager
def _open(path: str | Path, kind: str, allowed: str) -> Iterator[safe_open]:
    path = existing_file(path, kind, allowed)
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise JoVAError(
            f"The {kind} file {path} is truncated or not a safetensors file ({error}); "
            f"give the path of {allowed}."
        ) from error


def content_digest(path: str | Path) -> str:
    """16 hex digits of a file's content, independent of its name and folder."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def check_target(target: Path) -> None:
    """JoVAError for an unwritable path: missing folder, a folder of that name, no permission.

    A check before long work; `atomic_write` catches the rest.
    """
    try:
        if not target.parent.is_dir():
            raise JoVAError(
                f"The folder {target.parent} does not exist; create it or choose another folder."
            )
        if target.is_dir():
            raise JoVAError(f"{target} is a folder; give the name of a file inside it.")
    except OSError as error:
        raise write_problem(target, error.errno, error.strerror or str(error)) from error
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise write_problem(target, errno.EACCES, "permission denied")


def write_problem(target: Path, code: int | None, reason: str) -> JoVAError:
    """The error of a failed write (`code` is an errno or None)."""
    folder = target.parent
    if code in {errno.ENOSPC, errno.EDQUOT}:
        return JoVAError(
            f"The disk is full, so {target} was not written; "
            "free some space or choose another folder."
        )
    if code in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return JoVAError(
            f"The folder {folder} cannot be written to ({reason}); "
            "allow writing or choose another folder."
        )
    return JoVAError(
        f"{target} could not be written ({reason}); check the path and the disk, then try again."
    )


@contextmanager
def claimed_name(folder: Path, stem: str, suffix: str, first: int = 1) -> Iterator[Path]:
    """Yield a file of `folder` that this call made: stem, the next free number (00001_), suffix.

    Two writers at the same time, in whatever process, get two names. The file is empty until it is
    replaced; if the block fails it is removed. Raises JoVAError.
    """
    number, target = first, folder / f"{stem}{first:05}_{suffix}"
    try:
        while True:
            with suppress(FileExistsError):
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
                break
            number += 1
            target = folder / f"{stem}{number:05}_{suffix}"
    except OSError as error:
        raise write_problem(target, error.errno, error.strerror or str(error)) from error
    try:
        yield target
    except BaseException:
        with suppress(OSError):
            if not target.stat().st_size:
                target.unlink()
        raise


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yield a temporary file beside `target`; move it there on success, remove it on any failure.

    Errors of the system and of safetensors become JoVAErrors. The bytes are on the disk (fsync)
    before the name appears.
    """
    temporary = target.with_name(f".jova-{secrets.token_hex(6)}.tmp")
    try:
        check_target(target)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = temporary.stat().st_mode
        yield temporary
        # safetensors puts a file of its own in this place, which only its owner may read.
        temporary.chmod(mode)
        publish(temporary, target)
    except OSError as error:
        raise write_problem(target, error.errno, error.strerror or str(error)) from error
    except SafetensorError as error:
        # The system's error is only in its text.
        code = re.search(r"os error (\d+)", str(error))
        raise write_problem(target, int(code[1]) if code else None, str(error)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def publish(temporary: Path, target: Path) -> None:
    """Give a finished file its name; its bytes are on the disk (fsync) before that. OSError."""
    _flush(temporary)
    temporary.replace(target)
    _flush_folder(target.parent)


def _flush(path: Path) -> None:
    """Wait until the content of `path` is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Wait until the new name is on the disk, if the system supports that for folders."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
