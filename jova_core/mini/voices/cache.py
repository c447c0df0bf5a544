"""Speech on disk: a FLAC file and its phones for each utterance, written whole or not at all."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ...errors import JoVAError
from ...files import atomic_write
from .speech import SAMPLE_RATE, Phone, Speech, phones_to_json

Split = Literal["train", "heldout", "unseen", "newcomer"]
PLAN = "speech.jsonl"
FULL_SCALE = 32767


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One phrase in one voice: words in lower case, the text with punctuation, tempo around 1."""

    split: Split
    voice: str
    words: tuple[str, ...]
    text: str
    tempo: float

    def key(self, version: str) -> str:
        """Name of its files: a hash of what decides how it sounds, the engine's version too."""
        said = json.dumps([self.voice, self.text, self.tempo, version])
        return hashlib.sha256(said.encode()).hexdigest()[:24]


# What a folder of speech holds or will hold, by key.
Plan = dict[str, Utterance]


def write_plan(folder: Path, plan: Plan) -> None:
    """Writes the folder's list, a line for each utterance."""
    lines = [json.dumps({"key": key, **asdict(utterance)}) for key, utterance in plan.items()]
    with atomic_write(folder / PLAN) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_plan(folder: Path) -> Plan:
    """The folder's list; JoVAError when there is none or it is no list of ours."""
    path = folder / PLAN
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {
            line.pop("key"): Utterance(**{**line, "words": tuple(line["words"])}) for line in lines
        }
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise JoVAError(
            f"{path} is no list of speech ({error}); run `jova data make-voices {folder}`."
        ) from error


def speech_path(folder: Path, key: str) -> Path:
    """The phones' file of a key; the sound is beside it, as .flac. It is there when both are."""
    return folder / key[:2] / f"{key}.json"


def write_speech(folder: Path, key: str, speech: Speech) -> None:
    """Writes both files, the phones last; the same key written twice at once is no problem."""
    import soundfile

    path = speech_path(folder, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = np.round(np.clip(speech.samples, -1, 1) * FULL_SCALE).astype(np.int16)
    with atomic_write(path.with_suffix(".flac")) as temporary:
        soundfile.write(temporary, whole, SAMPLE_RATE, format="FLAC")
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(phones_to_json(speech.phones)), encoding="utf-8")


def read_speech(folder: Path, key: str) -> Speech:
    """What `write_speech` wrote, to 16 bits; JoVAError when it is missing or damaged."""
    import soundfile

    path = speech_path(folder, key)
    try:
        phones = json.loads(path.read_text(encoding="utf-8"))
        whole, _ = soundfile.read(path.with_suffix(".flac"), dtype="int16")
        samples = whole.astype(np.float32) / FULL_SCALE
        return Speech(samples=samples, phones=tuple(Phone(**phone) for phone in phones))
    except (OSError, ValueError, TypeError, soundfile.LibsndfileError) as error:
        raise JoVAError(
            f"The speech {path} cannot be read ({error}); delete it and run "
            f"`jova data make-voices {folder}` again."
        ) from error
