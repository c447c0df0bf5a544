"""One folder, one program that writes into it: a lock file with its owner and a heartbeat."""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import JoVAError

NAME = ".jova-lock"
BEAT = 10.0  # s between two signs of life
# Without a sign of life for so long an owner on another machine is taken for dead, and one on this
# machine too, whose number may be another program's by now. Ours.
PATIENCE = 120.0


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if need be; a dead owner's lock is taken over.

    Raises JoVAError where a living program holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, token = folder / NAME, secrets.token_hex(8)
    _acquire(path, token)
    over = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, over), daemon=True)
    beat.start()
    try:
        yield
    finally:
        over.set()
        beat.join()
        if _owner(path).get("token") == token:
            path.unlink(missing_ok=True)


def _acquire(path: Path, token: str) -> None:
    mine = {"pid": os.getpid(), "host": socket.gethostname(), "token": token}
    while not _create(path, json.dumps(mine)):
        owner = _owner(path)
        if _alive(path, owner):
            raise JoVAError(
                f"Got the folder {path.parent}, which process {owner.get('pid', '?')} on "
                f"{owner.get('host', 'another machine')} is writing into; expected one that "
                "nobody uses; wait for its end or choose another name."
            )
        _remove_dead(path, owner)


def _create(path: Path, text: str) -> bool:
    """Whether the file could be made anew; it appears with its whole content."""
    draft = path.with_name(f"{NAME}-{secrets.token_hex(8)}")
    draft.write_text(text, encoding="utf-8")
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def _owner(path: Path) -> dict:
    """Who wrote the lock; empty where it is gone or damaged."""
    with suppress(OSError, ValueError):
        owner = json.loads(path.read_text(encoding="utf-8"))
        return owner if isinstance(owner, dict) else {}
    return {}


def _alive(path: Path, owner: dict) -> bool:
    try:
        silent = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return False
    here = owner.get("host") == socket.gethostname()
    if here and os.name == "posix" and not _runs(owner.get("pid")):
        return False
    return silent < PATIENCE


def _runs(pid: object) -> bool:
    """Whether a process of this machine lives."""
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, TypeError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _remove_dead(path: Path, owner: dict) -> None:
    """Take away the lock that was found dead, but not one that another program set meanwhile."""
    aside = path.with_name(f"{NAME}-{secrets.token_hex(8)}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        if _owner(aside).get("token") != owner.get("token"):
            with suppress(OSError):
                os.link(aside, path)
        aside.unlink(missing_ok=True)


def _beat(path: Path, over: threading.Event) -> None:
    while not over.wait(BEAT):
        with suppress(OSError):
            os.utime(path)
