"""`jova data`: make the mini data set and its voices; encode it, or a user's clips."""

import os
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from ..mini import MINI, MINI_CODECS
from ..mini.codecs.checkpoint import load_codecs
from ..mini.data.dataset import load_dataset, make_mini
from ..mini.data.source import RenderedSource
from ..mini.voices.cast import CAST
from ..mini.voices.kokoro import PACKS_VARIABLE, Kokoro
from ..mini.voices.make import make_speech
from ..mini.voices.measure import measure_voices
from ..model.checkpoint import load_jova
from ..training.encode import MouthRules, encode_clips
from ..training.files_source import EncodeRules, FileSource
from ..training.manifest import read_manifest
from .console import Bar, note, result
from .people import PRESET, add_people_options, people_source
from .train import fresh_config

_RULES = {
    "min_seconds": (EncodeRules.min_seconds, "minimum length in s; shorter clips are refused"),
    "max_seconds": (EncodeRules.max_seconds, "maximum length in s; longer clips are cut"),
    "min_face_share": (
        MouthRules.min_share,
        "share of frames with a face; clips below it are refused",
    ),
}


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova data make-mini` and `jova data encode`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    make = actions.add_parser("make-mini", help="draw speaking characters (needs espeak-ng)")
    make.add_argument("folder", type=Path)
    make.add_argument("--clips", type=int, default=6000, help="training clips (default 6000)")
    make.add_argument("--held-out", type=int, default=240, help="held-out clips (default 240)")
    make.add_argument("--unseen", type=int, default=240, help="clips of unseen words (default 240)")
    make.add_argument("--seed", type=int, default=0)
    make.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    voices = actions.add_parser("make-voices", help="speak phrases (says which packages it needs)")
    voices.add_argument("folder", type=Path)
    voices.add_argument("--phrases", type=int, default=4000, help="for training (default 4000)")
    voices.add_argument("--packs", type=Path, help=f"voice packs (default: {PACKS_VARIABLE})")
    voices.add_argument("--seed", type=int, default=0)
    voices.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    encode = actions.add_parser("encode", help="clips → latents and mouth masks (by MediaPipe)")
    words = (
        "folder written by make-mini, JSONL of clips, or folder of videos with .txt prompts; with "
        "--people the folder of make-voices"
    )
    encode.add_argument("folder", type=Path, help=words)
    encode.add_argument(
        "--out", type=Path, help="default: FOLDER_encoded; after make-mini FOLDER itself"
    )
    encode.add_argument("--checkpoint", type=Path, default=MINI, help="its rates and size are used")
    encode.add_argument("--codecs", type=Path, default=MINI_CODECS)
    encode.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    add_people_options(encode)
    for name, (default, words) in _RULES.items():
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
    _encode(options)


def _make_voices(options: Namespace) -> None:
    """Speak the phrases missing in the folder."""
    with Bar("speak", "phrase") as progress:
        plan = make_speech(
            options.folder,
            options.phrases,
            options.seed,
            options.workers,
            open_engine=partial(Kokoro, options.packs),
            progress=progress,
        )
    for voice, figures in measure_voices(options.folder, plan).items():
        pitch, pace, brightness = figures.pitch, figures.pace, figures.brightness
        heard = f"{pitch:.0f} Hz, {pace:.1f} phones/s, brightness {brightness:.1f} dB"
        result(f"{voice}, {CAST[voice].caption}: {heard}")
    result(f"{options.folder}: {len(plan)} utterances")


def _encode(options: Namespace) -> None:
    """Encode rendered clips or a user's, and print the reason for each refusal."""
    config = None
    if options.people:
        source = people_source(options)
        out = options.folder.with_name(f"{options.folder.name}_encoded")
        config = fresh_config(PRESET, options.codecs)
        if source.waiting():
            note(f"{source.waiting()} clips wait for their phrases; encode again when spoken.")
    elif (options.folder / "dataset.json").is_file():
        source, out = RenderedSource(load_dataset(options.folder)), options.folder
    else:
        rules = EncodeRules(min_seconds=options.min_seconds, max_seconds=options.max_seconds)
        source = FileSource(read_manifest(options.folder), rules)
        out = options.folder.with_name(f"{options.folder.stem}_encoded")
    out = options.out or out
    with Bar("encode", "clip") as progress:
        outcomes = encode_clips(
            source,
            out,
            config or load_jova(options.checkpoint).config,
            partial(load_codecs, options.codecs),
            mouths=MouthRules(min_share=options.min_face_share),
            workers=options.workers,
            progress=progress,
        )
    for outcome in outcomes:
        remarks = (outcome.reason and f"refused: {outcome.reason}", *outcome.notes)
        if any(remarks):
            note(f"{outcome.source}: {'; '.join(filter(None, remarks))}")
    encoded = sum(outcome.clip is not None for outcome in outcomes)
    result(f"{out}: {encoded} clips encoded, {len(outcomes) - encoded} refused")
