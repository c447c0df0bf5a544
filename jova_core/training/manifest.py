"""The list of a user's clips: a JSONL file, or a folder of videos with a text file beside each."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import JoVAError
from ..files import existing_file
from ..prompt import parse_prompt

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".gif")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One clip to encode. Without `audio` its sound is the video's own.

    `mouth` is a picture or film of the clip's shape that is white where the mouth is; without it
    the mouth is found by MediaPipe.
    """

    video: Path
    audio: Path | None = None
    mouth: Path | None = None
    video_caption: str = ""
    audio_caption: str = ""
    transcript: str = ""

    def key(self) -> str:
        """16 hex digits that change with every word of the entry and every change of its files."""
        files = [path for path in (self.video, self.audio, self.mouth) if path is not None]
        stats = [path.stat() if path.is_file() else None for path in files]
        state = [None if s is None else (s.st_size, s.st_mtime_ns) for s in stats]
        text = json.dumps([{k: str(v) for k, v in asdict(self).items()}, state])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_manifest(path: str | Path) -> list[Entry]:
    """The clips of a JSONL file or a folder. Raises JoVAError naming the line that is wrong.

    Paths in a JSONL file are relative to it. In a folder each video has its prompt, tagged or
    `a description says "words"`, in a `.txt` of the same name.
    """
    path = Path(path)
    entries = _of_folder(path) if path.is_dir() else _of_lines(path)
    if not entries:
        allowed = ", ".join(VIDEO_SUFFIXES)
        raise JoVAError(f"{path} names no clips; give a JSONL file or a folder with {allowed}.")
    return entries


def _of_folder(folder: Path) -> list[Entry]:
    videos = sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES)
    entries = []
    for video in videos:
        text = video.with_suffix(".txt")
        prompt = parse_prompt(text.read_text(encoding="utf-8")) if text.is_file() else None
        entries.append(Entry(video=video, **({} if prompt is None else vars(prompt))))
    return entries


def _of_lines(path: Path) -> list[Entry]:
    path = existing_file(path, "clip list", "a JSONL file, one clip a line")
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            entries.append(_entry(path, number, line))
    return entries


def _entry(path: Path, number: int, line: str) -> Entry:
    allowed = [field.name for field in fields(Entry)]
    try:
        given: Any = json.loads(line)
    except ValueError as error:
        raise JoVAError(f"{path}, line {number} is no valid JSON ({error}); mend it.") from error
    if not isinstance(given, dict) or "video" not in given:
        raise JoVAError(f'{path}, line {number} names no video; write {{"video": "clip.mp4", …}}.')
    unknown = sorted(given.keys() - set(allowed))
    if unknown or not all(isinstance(v, str) or v is None for v in given.values()):
        wrong = (
            unknown[0] if unknown else next(k for k, v in given.items() if not isinstance(v, str))
        )
        raise JoVAError(
            f"{path}, line {number}: {wrong!r} is not understood; allowed are texts named "
            f"{', '.join(allowed)}."
        )
    told = {name: value for name, value in given.items() if value is not None}
    for name in ("video", "audio", "mouth"):
        if name in told:
            told[name] = path.parent / told[name]
    return Entry(**told)
