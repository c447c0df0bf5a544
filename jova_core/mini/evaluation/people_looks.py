"""The attributes that people show, by a classifier that has seen drawn pictures alone."""

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ...config import JoVAConfig
from ...errors import JoVAError
from ...files import read_tensors, write_tensors
from ..data.people_clips import PER_LOOK, ClipNumber
from ..data.people_source import PeopleSource
from ..people.caption import AGE_GROUPS, BEARDS, CHOICES, HAIR_STYLES, read_caption
from .attributes import LookClassifier, thumbnails, train_looks

FILE_NAME = "people-looks.safetensors"
STYLES = tuple(dict.fromkeys(style for styles in HAIR_STYLES.values() for style in styles))
CLASSES: dict[str, tuple[str, ...]] = {
    **{name: tuple(map(str, values)) for name, values in CHOICES.items()},
    "age": tuple(AGE_GROUPS),
    "hair_style": STYLES,
    "beard": BEARDS,
}
# Half the pictures' size: age and expression are told by lines of a pixel.
SIZE, PICTURES, STEPS = 96, 4000, 2000


def wanted_looks(caption: str) -> dict[str, str | None]:
    """The value of every attribute that a video caption names; None for one that it does not."""
    named = read_caption(caption)
    return {name: str(named[name]) if name in named else None for name in CLASSES}


def looks_for(
    source: PeopleSource,
    config: JoVAConfig,
    *,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> LookClassifier:
    """The classifier beside the voices; the first time, pictures are drawn and it is trained.

    It sees training looks only, never a made clip. `progress(done, pictures)` follows the drawing,
    a quarter of an hour on one core.
    """
    path = source.voices / FILE_NAME
    if path.is_file():
        return _load(path)
    drawn = replace(
        source, clips=0, stills=PICTURES, casting=replace(source.casting, split="train")
    )
    thumbs, captions = _draw(drawn, config, workers, progress)
    labels = [wanted_looks(caption) for caption in captions]
    model = train_looks(thumbs, labels, classes=CLASSES, steps=STEPS)
    about = {"classes": json.dumps(CLASSES)}
    write_tensors(path, model.state_dict(), about)
    return model


def _draw(
    source: PeopleSource,
    config: JoVAConfig,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[Tensor, list[str]]:
    """`thumbnails` `[N, 3, 3, 96, 96]` of the source's single pictures, and their captions."""
    entries = source.entries()
    size = PER_LOOK["still"]
    looks = [entries[i : i + size] for i in range(0, len(entries), size)]
    thumbs, captions = [], []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for seen in pool.map(partial(_draw_look, source, config), looks):
            for small, caption in seen:
                thumbs.append(small)
                captions.append(caption)
            if progress:
                progress(len(thumbs), len(entries))
    return torch.stack(thumbs), captions


def _draw_look(
    source: PeopleSource, config: JoVAConfig, entries: Sequence[ClipNumber]
) -> list[tuple[Tensor, str]]:
    return [
        (thumbnails(clip.frames, SIZE), clip.prompt.video_caption)
        for _, clip in source.read_fitting(entries, config)
    ]


def _load(path: Path) -> LookClassifier:
    try:
        tensors, about = read_tensors(path, "judge of looks", "one that `jova eval-mini` trained")
        model = LookClassifier(json.loads(about["classes"]), SIZE)
        model.load_state_dict(tensors)
    except (ValueError, KeyError, RuntimeError) as error:
        raise JoVAError(
            f"{path} is not a readable judge of looks ({error}); delete it, and the next "
            "evaluation trains a new one."
        ) from error
    return model.eval()
