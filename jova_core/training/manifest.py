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
    """One clip to encode. Without `audio` the video's own is used.

    `mouth` is a picture or video of the clip's shape, white on the mouth; without it MediaPipe
    finds the mouth.
    """

    video: Path
    audio: Path | None = None
    mouth: Path | None = None
    video_caption: str = ""
    audio_caption: str = ""
    transcript: str = ""

    def key(self) -> str:
        """16 hex digits, a fingerprint of the entry's words and its files' size and time."""
        files = [path for path in (self.video, self.audio, self.mouth) if path is not None]
        stats = [path.stat() if path.is_file() else None for path in files]
        state = [None if s is None else (s.st_size, s.st_mtime_ns) for s in stats]
        text = json.dumps([{k: str(v) for k, v in asdict(self).items()}, state])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_manifest(path: str | Path) -> list[Entry]:
    """The clips of a JSONL file or a folder. Raises JoVAError with the number of a wrong line.

    Paths in a JSONL file are relative to it. In a folder each video has its prompt, tagged or
    `a description says "words"`, in a `.txt` of the same name.
    """
    path = Path(path)
    entries = _of_folder(path) if path.is_dir() else _of_lines(path)
    if not entries:
        allowed = ", ".join(VIDEO_SUFFIXES)
        raise JoVAError(f"{path} has no clips; give a JSONL file or a folder with {allowed}.")
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
    path = existing_file(path, "clip list", "a JSONL file, one clip per line")
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            entries.append(_entry(path, number, line))
    return entries


def _entry(path: Path, number: int, line: str) -> Entry:
    allowed = [field.name for field in fields(Entry)]
    try:
        values: Any = json.loads(line)
    except ValueError as error:
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
