"""The judges of `jova eval-mini`: recogniser, looks and voices, trained once and kept in a file."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import JoVAError
from ...files import read_tensors, write_tensors
from ..data.dataset import ClipInfo, Dataset, load_clip
from ..data.vocabulary import BACKGROUNDS, HAIRS, SHIRTS, SKINS, UNSEEN_WORDS, VOICES, WORDS
from .attributes import LookClassifier, VoiceClassifier, thumbnails, train_looks, train_voices
from .features import features
from .fitting import Progress
from .recogniser import WordRecogniser, train_recogniser
from .words import words_right

FORMAT = "jova-judges-1"
FILE_NAME = "judges.safetensors"
CLASSES = {"skin": SKINS, "hair": HAIRS, "shirt": SHIRTS, "background": BACKGROUNDS}
# Enough for about 98 % of held-out words; more clips cost memory, not accuracy.
TRAINING_CLIPS = 4000

Report = Callable[[str, int, int, float], None]


@dataclass(frozen=True, kw_only=True)
class Judges:
    """Three classifiers and their `figures` on held-out ground truth, 0 to 1."""

    recogniser: WordRecogniser
    looks: LookClassifier
    voices: VoiceClassifier
    figures: Mapping[str, float]

    def parts(self) -> dict[str, nn.Module]:
        """The modules by the prefix of their weights' names."""
        return {"recogniser": self.recogniser, "looks": self.looks, "voices": self.voices}


@dataclass(frozen=True, kw_only=True)
class _Material:
    mels: list[Tensor]  # features [M, L] per clip
    thumbs: Tensor  # uint8 [clips, 3, 3, 48, 48]


def judges_for(
    dataset: Dataset, *, seed: int = 0, limit: int = TRAINING_CLIPS, report: Report | None = None
) -> Judges:
    """The judges beside the data set; trained (minutes) and written there the first time."""
    path = Path(dataset.root) / FILE_NAME
    if path.is_file():
        return load_judges(path)
    judges = train_judges(dataset, seed=seed, limit=limit, report=report)
    save_judges(judges, path)
    return judges


def train_judges(
    dataset: Dataset,
    *,
    seed: int = 0,
    limit: int = TRAINING_CLIPS,
    steps: Mapping[str, int] | None = None,
    report: Report | None = None,
) -> Judges:
    """Train on at most `limit` training clips; figures from up to 200 held-out ones.

    The clips of unseen words teach the judges too: only the generator must not know those words.
    `steps` are those of recogniser, looks and voices; `report(what, step, steps, loss)` is called
    after each. JoVAError if the data set has no training clips.
    """
    clips = spread([clip for clip in dataset.clips if clip.split == "train"], limit)
    if not clips:
        raise JoVAError(f"{dataset.root} has no training clips; make some with `jova data`.")
    clips += [clip for clip in dataset.clips if clip.split == "unseen"]
    steps = {"recogniser": 1200, "looks": 400, "voices": 300} | dict(steps or {})
    material = _gather(dataset, clips)

    def options(what: str) -> dict[str, Any]:
        return {"steps": steps[what], "seed": seed, "progress": _named(report, what)}

    lines = [clip.transcript for clip in clips]
    words = (*WORDS, *UNSEEN_WORDS)
    labels = [clip.attributes for clip in clips]
    voices = [clip.voice for clip in clips]
    judges = Judges(
        recogniser=train_recogniser(material.mels, lines, words=words, **options("recogniser")),
        looks=train_looks(material.thumbs, labels, classes=CLASSES, **options("looks")),
        voices=train_voices(material.mels, voices, voices=VOICES, **options("voices")),
        figures={},
    )
    held_out = spread([clip for clip in dataset.clips if clip.split == "heldout"], 200)
    return replace(judges, figures=accuracy(judges, dataset, held_out))


def spread(clips: Sequence[ClipInfo], limit: int) -> list[ClipInfo]:
    """At most `limit` clips, evenly over the whole list."""
    count = min(limit, len(clips))
    return [clips[i * len(clips) // count] for i in range(count)]


def accuracy(judges: Judges, dataset: Dataset, clips: Sequence[ClipInfo]) -> dict[str, float]:
    """Shares right on ground-truth clips: words (1 - WER), voice and every attribute named."""
    if not clips:
        return {}
    hits: dict[str, list[bool]] = {name: [] for name in (*CLASSES, "voice")}
    heard = []
    for clip in clips:
        data = load_clip(dataset, clip)
        heard += judges.recogniser.recognise([data["audio"]])
        hits["voice"].append(judges.voices.classify(data["audio"]) == clip.voice)
        seen = judges.looks.classify(data["frames"])
        for name, value in clip.attributes.items():
            if value is not None:
                hits[name].append(seen[name] == value)
    words = words_right([clip.transcript.split() for clip in clips], heard)
    return {"words": words} | {n: sum(h) / len(h) for n, h in hits.items() if h}


def save_judges(judges: Judges, path: str | Path) -> None:
    """Write the judges as safetensors; words, classes and figures stand in the metadata."""
    tensors = {
        f"{part}.{name}": value
        for part, module in judges.parts().items()
        for name, value in module.state_dict().items()
    }
    about = {
        "words": judges.recogniser.words,
        "classes": judges.looks.classes,
        "voices": judges.voices.voices,
        "figures": dict(judges.figures),
    }
    write_tensors(path, tensors, {"format": FORMAT, "judges": json.dumps(about)})


def load_judges(path: str | Path) -> Judges:
    """Read judges; JoVAError for a foreign or damaged file."""
    try:
        tensors, metadata = read_tensors(path, "judges", "judges that `jova eval-mini` trained")
        about = json.loads(metadata["judges"])
        judges = Judges(
            recogniser=WordRecogniser(about["words"]),
            looks=LookClassifier(about["classes"]),
            voices=VoiceClassifier(about["voices"]),
            figures=about["figures"],
        )
        _fill(judges, tensors)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise JoVAError(
            f"{path} is not a readable file of judges ({error}); delete it, and "
            "the next evaluation trains new ones."
        ) from error
    return judges


def _fill(judges: Judges, tensors: Mapping[str, Tensor]) -> None:
    for part, module in judges.parts().items():
        start = f"{part}."
        own = {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}
        module.load_state_dict(own)
        module.eval()


def _gather(dataset: Dataset, clips: Sequence[ClipInfo]) -> _Material:
    mels, thumbs = [], []
    for clip in clips:
        data = load_clip(dataset, clip)
        mels.append(features(data["audio"][None])[0])
        thumbs.append(thumbnails(data["frames"]))
    return _Material(mels=mels, thumbs=torch.stack(thumbs))


def _named(report: Report | None, what: str) -> Progress | None:
    if report is None:
        return None
    return lambda step, steps, loss: report(what, step, steps, loss)
