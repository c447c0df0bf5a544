"""Files on disk: what may be opened, and writing that leaves either the whole file or nothing."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .config import JoVAError


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


def write_problem(target: Path, code: int | None, reason: str) -> JoVAError:
    """Return the error for a file that could not be written (`code` is an errno or None)."""
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
def staged(target: Path) -> Iterator[Path]:
    """Yield a temporary file beside `target`; move it there on success, remove it on any failure.

    OSErrors inside become JoVAErrors. The bytes are on the disk (fsync) before the name appears.
    """
    temporary = target.with_name(f".jova-{secrets.token_hex(6)}.tmp")
    try:
        _check_target(target)
        # Created here and not by tempfile, whose 0600 mode would stay on the finished file.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        _flush(temporary)
        temporary.replace(target)
        _flush_folder(target.parent)
    except OSError as error:
        raise write_problem(target, error.errno, error.strerror or str(error)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _check_target(target: Path) -> None:
    """Reject a missing folder and a target that is a folder itself."""
    if not target.parent.is_dir():
        raise JoVAError(
            f"The folder {target.parent} does not exist; make it first or choose another folder."
        )
    if target.is_dir():
        raise JoVAError(f"{target} is a folder; give the name of a file inside it.")


def _flush(path: Path) -> None:
    """Wait until the content of `path` is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Wait until the new name is on the disk, where the system can do that for folders."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
