"""`jova data`: make the mini data set and its voices; encode it, or a user's clips."""

import functools
import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..codecs.checkpoint import load_codecs
from ..mini.voices.cast import CAST
from ..mini.voices.kokoro import PACKS_VARIABLE, Kokoro
from ..mini.voices.make import make_speech
from ..mini.voices.measure import measure_voices
from ..minidata.dataset import load_dataset, make_mini
from ..model.checkpoint import load_jova
from ..mouth.cache import cache_masks
from ..mouth.landmarks import find_landmarker
from ..pipeline import MINI, MINI_CODECS
from ..training.data import MASKS, encode_dataset
from ..training.encode import EncodeRules, encode_clips
from ..training.manifest import read_manifest
from .console import Bar, note, result

_RULES = {
    "min_seconds": "shorter clips are refused",
    "max_seconds": "of longer ones the beginning is used",
    "min_face_share": "of the frames in which a face is found; clips with less are refused",
}


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova data make-mini` and `jova data encode`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    make = actions.add_parser("make-mini", help="draw speaking characters (needs espeak-ng)")
    make.add_argument("folder", type=Path)
    make.add_argument("--clips", type=int, default=6000, help="training clips (default 6000)")
    make.add_argument("--held-out", type=int, default=240, help="held-out clips (default 240)")
    make.add_argument("--unseen", type=int, default=240, help="clips of other words (default 240)")
    make.add_argument("--seed", type=int, default=0)
    make.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    voices = actions.add_parser("make-voices", help="speak phrases (says which packages it needs)")
    voices.add_argument("folder", type=Path)
    voices.add_argument("--phrases", type=int, default=4000, help="for training (default 4000)")
    voices.add_argument("--packs", type=Path, help=f"voice packs (default: {PACKS_VARIABLE})")
    voices.add_argument("--seed", type=int, default=0)
    voices.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    encode = actions.add_parser("encode", help="latents by the codecs, mouth masks by MediaPipe")
    words = "what make-mini wrote, a JSONL of clips, or a folder of videos with .txt prompts"
    encode.add_argument("folder", type=Path, help=words)
    encode.add_argument("--out", type=Path, help="for clips of yours (default: FOLDER_encoded)")
    encode.add_argument("--checkpoint", type=Path, default=MINI, help="whose rates and size to use")
    encode.add_argument("--codecs", type=Path, default=MINI_CODECS)
    encode.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    rules = EncodeRules()
    for name, words in _RULES.items():
        default = getattr(rules, name)
        text = f"{words} (default {default:g})"
        encode.add_argument(f"--{name.replace('_', '-')}", type=float, default=default, help=text)


def run(options: Namespace) -> None:
    """Render or encode. Raises JoVAError."""
    if options.action == "make-mini":
        with Bar("render", "clip") as progress:
            dataset = make_mini(
                options.folder,
                clips=options.clips,
                held_out_clips=options.held_out,
                unseen_clips=options.unseen,
                seed=options.seed,
                workers=options.workers,
                progress=progress,
            )
        result(f"{options.folder}: {len(dataset.clips)} clips")
        return
    if options.action == "make-voices":
        _make_voices(options)
        return
    if options.folder.is_file() or not (options.folder / "dataset.json").exists():
        _encode_own(options)
        return
    dataset, codecs = load_dataset(options.folder), load_codecs(options.codecs)
    # What the second half needs is looked for before the first.
    find_landmarker()
    with Bar("encode", "clip") as progress:
        encode_dataset(dataset, codecs, progress=progress)
    with Bar("mouths", "clip") as progress:
        cache_masks(dataset, options.folder / MASKS, workers=options.workers, progress=progress)
    result(f"{options.folder}: latents and mouth masks of {len(dataset.clips)} clips")


def _make_voices(options: Namespace) -> None:
    """Speak what the folder lacks."""
    with Bar("speak", "phrase") as progress:
        plan = make_speech(
            options.folder,
            options.phrases,
            options.seed,
            options.workers,
            open_engine=functools.partial(Kokoro, options.packs),
            progress=progress,
        )
    for voice, figures in measure_voices(options.folder, plan).items():
        pitch, pace, brightness = figures.pitch, figures.pace, figures.brightness
        heard = f"{pitch:.0f} Hz, {pace:.1f} phones/s, brightness {brightness:.1f} dB"
        result(f"{voice}, {CAST[voice].caption}: {heard}")
    result(f"{options.folder}: {len(plan)} utterances")


def _encode_own(options: Namespace) -> None:
    """Encode a user's clips and say of each refused one why."""
    rules = EncodeRules(**{name: getattr(options, name) for name in _RULES})
    entries = read_manifest(options.folder)
    out = options.out or options.folder.with_name(f"{options.folder.stem}_encoded")
    config = load_jova(options.checkpoint).config
    with Bar("encode", "clip") as progress:
        outcomes = encode_clips(
            entries,
            out,
            config,
            options.codecs,
            rules=rules,
            workers=options.workers,
            progress=progress,
        )
    for outcome in outcomes:
        words = (outcome.reason and f"refused: {outcome.reason}", *outcome.notes)
        if any(words):
            note(f"{outcome.source}: {'; '.join(filter(None, words))}")
    made = sum(outcome.clip is not None for outcome in outcomes)
    result(f"{out}: {made} clips encoded, {len(outcomes) - made} refused")
