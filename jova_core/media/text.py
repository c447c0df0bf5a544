"""Text files as people have them: with or without a byte order mark, UTF-16, or Windows' own."""

import codecs
import re
from pathlib import Path

from ..errors import JoVAError
from ..files import existing_file

# The mark of UTF-32 begins as that of UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What Windows wrote before UTF-8: without a mark nothing else is as likely.
_LEGACY = "cp1252"
# Control characters other than tab, line ends and page breaks: a binary file.
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")


def read_text(path: str | Path, kind: str, allowed: str) -> str:
    """Return the text of a file, decoded by its mark, else as UTF-8, UTF-16 or Windows-1252.

    `kind` and `allowed` as in `files.existing_file`. Raises JoVAError naming the file where it is
    no text.
    """
    path = existing_file(path, kind, allowed)
    try:
        data = path.read_bytes()
        encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
        text = _decoded(data) if encoding is None else data.decode(encoding)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its encoding is unknown"
        raise JoVAError(
            f"The {kind} file {path} cannot be read ({reason}); save it as UTF-8 text."
        ) from error
    if _NO_TEXT.search(text):
        raise JoVAError(f"The {kind} file {path} is no text file; give the path of {allowed}.")
    return text


def text_lines(text: str) -> list[str]:
    """Split at line feeds only: JSON may hold other separators (U+2028) inside its strings."""
    return [line.removesuffix("\r") for line in text.split("\n")]


def is_hidden(path: Path) -> bool:
    """Hidden files, and the `._name` that macOS lays beside `name` on foreign disks."""
    return path.name.startswith(".")


def _decoded(data: bytes) -> str:
    """Text without a mark. UTF-16 is told by the zero byte beside each letter of ASCII."""
    even, odd = data[::2].count(0), data[1::2].count(0)
    if len(data) % 2 == 0 and max(even, odd) > len(data) / 8 and min(even, odd) == 0:
        return data.decode("utf-16-be" if even else "utf-16-le")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_LEGACY)
