"""The cases of an evaluation: prompts of held-out clips, or of a JSON file."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import JoVAError
from ...prompt import PARTS, Prompt, normalise_words
from ..data.dataset import ClipInfo, Dataset
from ..data.script import Split
from ..data.vocabulary import BACKGROUNDS, HAIRS, SHIRTS, SKINS, VOICES
from .judges import spread

# The published wording of the captions (vocabulary.video_caption and audio_caption).
LOOKS = {
    "skin": (re.compile(r"\b(\w+) face\b"), SKINS),
    "hair": (re.compile(r"\b(\w+) hair\b"), HAIRS),
    "shirt": (re.compile(r"\b(\w+) shirt\b"), SHIRTS),
    "background": (re.compile(r"\b(\w+) background\b"), BACKGROUNDS),
}
VOICE = re.compile(r"\b(\w+) voice\b")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One prompt and its length; `clip` is the ground truth, if any."""

    prompt: Prompt
    frames: int
    clip: ClipInfo | None = None

    @property
    def words(self) -> list[str]:
        """The words that should be heard, in order."""
        return normalise_words(self.prompt.transcript)

    @property
    def looks(self) -> dict[str, str | None]:
        """Attribute values in the caption; None is not scored."""
        return {name: _named(self.prompt.video_caption, *rule) for name, rule in LOOKS.items()}

    @property
    def voice(self) -> str | None:
        """The voice in the audio caption; None is not scored."""
        return _named(self.prompt.audio_caption, VOICE, VOICES)


def clip_cases(dataset: Dataset, limit: int, split: Split = "heldout") -> list[Case]:
    """Up to `limit` clips of a split of a data set, evenly spread; JoVAError if it has none."""
    clips = [clip for clip in dataset.clips if clip.split == split]
    if not clips:
        raise JoVAError(f"{dataset.root} has no {split} clips; make it again with `jova data`.")
    return [
        Case(
            prompt=Prompt(
                video_caption=clip.video_caption,
                audio_caption=clip.audio_caption,
                transcript=clip.transcript,
            ),
            frames=clip.frames,
            clip=clip,
        )
        for clip in spread(clips, limit)
    ]


def read_cases(path: str | Path) -> list[Case]:
    """Prompts of a JSON list of {video_caption, audio_caption, transcript, frames}.

    JoVAError with the number of a wrong entry.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JoVAError(f"{path} is not a readable JSON list of prompts: {error}.") from error
    if not isinstance(entries, list) or not entries:
        raise JoVAError(f"{path} must contain a JSON list with at least one prompt.")
    return [_case(entry, f"Prompt {i} of {path}") for i, entry in enumerate(entries)]


def _case(entry: object, place: str) -> Case:
    if not isinstance(entry, dict) or set(entry) != {*PARTS, "frames"}:
        raise JoVAError(f"{place} must have exactly the fields {', '.join(PARTS)} and frames.")
    frames = entry["frames"]
    if type(frames) is not int or frames < 1 or frames % 4 != 1:
        raise JoVAError(f"{place} asks for {frames!r} frames; allowed are 4 n + 1, such as 33.")
    return Case(prompt=Prompt(**{part: entry[part] for part in PARTS}), frames=frames)


def _named(caption: str, pattern: re.Pattern[str], values: tuple[str, ...]) -> str | None:
    match = pattern.search(caption.lower())
    return match[1] if match and match[1] in values else None
