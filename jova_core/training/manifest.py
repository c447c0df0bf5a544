"""The list of a user's clips: a JSONL file, or a folder of videos with a text file beside each."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import JoVAError
from ..media.kinds import file_kind
from ..media.text import is_hidden, read_text, text_lines
from ..prompt_text import parse_prompt

VIDEO_SUFFIXES = (
    *(".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".gif", ".apng", ".mpg", ".mpeg", ".ts"),
    *(".mts", ".m2ts", ".wmv", ".flv", ".ogv", ".3gp", ".mxf"),
)
# What may lie beside clips and is never one.
_TEXT_SUFFIXES = (".txt", ".json", ".jsonl", ".md", ".csv", ".tsv", ".srt", ".vtt", ".log")
_LIST = "a JSONL file with one clip a line, a folder of videos, or one video"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One clip to encode. Without `audio` the video's own is used.

    `mouth` is a picture or video of the clip's shape that is white where the mouth is; without it
    the mouth is found by MediaPipe. `problem` says why the clip cannot be taken, where that is
    known before it is opened.
    """

    video: Path
    audio: Path | None = None
    mouth: Path | None = None
    video_caption: str = ""
    audio_caption: str = ""
    transcript: str = ""
    problem: str = ""

    def key(self) -> str:
        """16 hex digits, a fingerprint of the entry's words and its files' size and time."""
        files = [path for path in (self.video, self.audio, self.mouth) if path is not None]
        told = {name: str(value) for name, value in asdict(self).items()}
        # A clip without a problem keeps the key that it had before there was this field.
        kept = {name: value for name, value in told.items() if name != "problem" or value}
        text = json.dumps([kept, [_state(path) for path in files]])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a file; None where there is none, or none of such a name."""
    try:
        stat = path.stat() if path.is_file() else None
    except OSError:
        return None
    return None if stat is None else (stat.st_size, stat.st_mtime_ns)


def read_manifest(path: str | Path) -> list[Entry]:
    """The clips of a JSONL file, a folder or one video. Raises JoVAError naming the wrong line.

    Paths in a JSONL file are relative to it. Each video of a folder has its prompt, tagged or
    `a description says "words"`, in a `.txt` of the same name; hidden files are passed over.
    """
    path = Path(path)
    if path.is_dir():
        entries = _of_folder(path)
    elif path.is_file() and _is_media(path):
        entries = [_with_caption(path)]
    else:
        entries = _of_lines(path)
    if not entries:
        allowed = ", ".join(VIDEO_SUFFIXES)
        raise JoVAError(f"{path} has no clips; give {_LIST} ({allowed}).")
    return entries


def _of_folder(folder: Path) -> list[Entry]:
    """Every video, and every other file that may be one: what is none gets its row, not silence."""
    try:
        there = sorted(path for path in folder.iterdir() if not is_hidden(path))
    except OSError as error:
        raise JoVAError(f"The folder {folder} cannot be read ({error.strerror}).") from error
    videos = [path for path in there if path.suffix.lower() in VIDEO_SUFFIXES]
    stems = {path.stem for path in videos}
    # Beside a video of the same name lie its mask, thumbnail or sound.
    others = [
        path
        for path in there
        if path not in videos
        and path.is_file()
        and path.suffix.lower() not in _TEXT_SUFFIXES
        and path.stem not in stems
    ]
    return [_with_caption(path) for path in sorted([*videos, *others])]


def _with_caption(video: Path) -> Entry:
    """A video with the text of its name beside it; a text that cannot be read is its problem."""
    text = video.with_suffix(".txt")
    if not text.is_file():
        return Entry(video=video)
    try:
        prompt = parse_prompt(read_text(text, "caption", "a text file"))
    except JoVAError as error:
        named = str(error) if str(text) in str(error) else f"{text}: {error}"
        return Entry(video=video, problem=named)
    return Entry(video=video, **vars(prompt))


def _is_media(path: Path) -> bool:
    kind = file_kind(path)
    return path.suffix.lower() in VIDEO_SUFFIXES or (kind is not None and kind.video)


def _of_lines(path: Path) -> list[Entry]:
    text = read_text(path, "clip list", _LIST)
    lines = enumerate(text_lines(text), 1)
    return [_entry(path, number, line) for number, line in lines if line.strip()]


def _entry(path: Path, number: int, line: str) -> Entry:
    allowed = [field.name for field in fields(Entry) if field.name != "problem"]
    try:
        values: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise JoVAError(f"{path}, line {number} is not valid JSON ({error}); fix it.") from error
    if not isinstance(values, dict) or "video" not in values:
        raise JoVAError(f'{path}, line {number} has no video; write {{"video": "clip.mp4", …}}.')
    unknown = sorted(values.keys() - set(allowed))
    if unknown or not all(isinstance(v, str) or v is None for v in values.values()):
        wrong = (
            unknown[0] if unknown else next(k for k, v in values.items() if not isinstance(v, str))
        )
        raise JoVAError(
            f"{path}, line {number}: {wrong!r} is unknown or not text; give texts named "
            f"{', '.join(allowed)}."
        )
    texts = {name: value for name, value in values.items() if value is not None}
    for name in ("video", "audio", "mouth"):
        if name in texts:
            texts[name] = path.parent / texts[name]
    return Entry(**texts)
