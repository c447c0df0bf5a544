"""Text tags of a container in ffmpeg's own text form, to and fro."""

import re
from pathlib import Path

from .ffmpeg import input_arguments, run_ffmpeg

_HEAD = ";FFMETADATA1"
# Windows' limit for all arguments together is 32,767 characters.
_MOST_ARGUMENT = 8000


def tag_arguments(tags: dict[str, str], folder: Path, index: int) -> tuple[list[str], list[str]]:
    """ffmpeg's arguments for input `index`, which holds the tags, and for the output.

    Workflows are longer than arguments may be, so tags go through a file in `folder`; but ffmpeg's
    reader takes the backslash that ends a value for one that escapes the line end.
    """
    # What ends so and fits no argument either is left out; the writer sees that it is missing.
    apart = {key: text for key, text in tags.items() if text.endswith("\\")}
    lines = [f"{_escaped(key)}={_escaped(text)}" for key, text in tags.items() if key not in apart]
    file = folder / "tags.txt"
    content = "\n".join([_HEAD, *lines, ""])
    file.write_text(content, encoding="utf-8", errors="replace", newline="\n")
    output = ["-map_metadata", str(index)]
    for key, text in apart.items():
        if len(text) <= _MOST_ARGUMENT and "\0" not in text:
            pair = f"{key}={text}".encode("utf-8", "replace").decode()
            output += ["-metadata", pair]
    return ["-f", "ffmetadata", "-i", str(file)], output


def read_tags(path: Path) -> dict[str, str]:
    """Return a container's text tags (title, workflow, ...), their names in lower case."""
    done = run_ffmpeg([*input_arguments(path), "-fflags", "+bitexact", "-f", "ffmetadata", "-"])
    text = done.stdout.decode("utf-8", "replace")
    tags = {}
    # A backslash escapes the character after it, line ends included; "[" starts a chapter.
    for entry in re.findall(r"(?:[^\\\n]|\\.)+", text.removeprefix(_HEAD), re.DOTALL):
        pair = re.match(r"((?:[^\\=]|\\.)*)=(.*)", entry, re.DOTALL)
        if entry.startswith("["):
            break
        if pair:
            key, value = (re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in pair.groups())
            # Matroska and WebM write names in capitals, MP4 as given.
            tags[key.lower()] = value
    return tags


def _escaped(text: str) -> str:
    """A backslash before each of = ; # \\ and line end."""
    return text.translate(str.maketrans({sign: f"\\{sign}" for sign in "=;#\\\r\n"}))
