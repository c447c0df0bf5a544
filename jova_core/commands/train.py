"""`jova train`: train a JoVA, or a LoRA for one, on an encoded data set."""

from argparse import ArgumentParser, Namespace
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import torch

from ..codecs import TextEncoder
from ..config import JoVAConfig
from ..errors import JoVAError
from ..mini import MINI, MINI_CODECS
from ..mini.codecs.checkpoint import load_codecs
from ..mini.data.people_words import people_vocabulary
from ..mini.data.vocabulary import published_vocabulary
from ..mini.evaluation.cases import read_cases
from ..mini.evaluation.judges import FILE_NAME, load_judges
from ..mini.text.encoder import MiniTextEncoder
from ..mini.validate import Validation
from ..model.checkpoint import load_jova
from ..model.lora import LAYERS, BranchLoRA, LoRAConfig
from ..mouth.landmarks import find_landmarker
from ..presets import PRESETS, preset_config
from ..training.clock import Clock
from ..training.data import LatentSet
from ..training.loop import TrainCallback, train
from ..training.settings import Tasks, TrainSettings
from ..vocabulary import Vocabulary
from .console import note, result
from .people import add_stream_options, open_stream
from .threads import add_threads, use_threads

# Settings with an option of the same name.
_OPTIONS = {
    "steps": "optimiser steps",
    "batch": "clips per step",
    "learning_rate": "peak learning rate",
    "optimizer": "adamw, adamw8bit (needs bitsandbytes) or muon",
    "warmup": "steps of linear warm-up",
    "cooldown": "last share of the steps, with a rate falling to 0",
    "ema": "decay of the EMA weights",
    "seed": "seed of weights, noise and order",
    "timestep_sampling": "mode, logit_normal or uniform",
    "shift": "shift of the timesteps towards noise",
    "mouth_weight": "λ of the mouth-area loss",
    "mouth_form": "weighted or area",
    "pictures_area": "where λ falls in steps of single pictures: mouth or face",
    "video_weight": "weight of the video loss",
    "audio_weight": "weight of the audio loss",
    "alignment_weight": "weight of hearing which sound is spoken when, where the data tell",
    "audio_alone": "share of audio-only steps, which train the voice four times as fast",
    "stills": "share of steps on single pictures, which train looks seven times as fast",
    "alone_times": "samples of a step of one stream, as a multiple of --batch",
    "alone_shift": "shift of the timesteps in such steps; 0 is that of --shift",
    "places": "share of the places of clips' pictures in a step, those of the mouth always",
    "phonemes_only": "share of spoken words encoded by their phonemes alone",
    "drop_words": "share of the samples with given audio that get no transcript",
    "disguised": "share of the same whose audio is in another voice, where the data have one",
    "dtype": "bf16 or fp32; on CPUs without fast bf16 products fp32 is faster",
    "checkpoint_every": "steps between checkpoints",
    "keep_every": "steps between checkpoints to keep for a curve; 0 keeps only the last",
}
# Older names of options, still valid.
_ALIASES = {"timestep_sampling": "--law", "phonemes_only": "--by-sound"}
# Shares of the samples, in `Tasks`.
_TASKS = {
    "independent": "with a separate time for each stream; the rest share one",
    "audio_given": "with given audio",
    "video_given": "with given video",
    "image_given": "with a given first frame, of those without given video",
    "first_last": "with given first and last frames",
    "extend": "with a given beginning of video and audio",
    "redo": "with all given but a stretch of time",
    "lip_sync": "with given audio and pictures but for the mouth",
    "dub": "with given pictures but for the mouth",
}


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova train`."""
    parser.add_argument("data", type=Path, help="folder written by `jova data encode`")
    parser.add_argument("out", type=Path, help="folder for log, state and checkpoint")
    parser.add_argument("--preset", help=f"one of {', '.join(PRESETS)} (default mini)")
    parser.add_argument("--init-from", type=Path, help="checkpoint to start from, with its config")
    parser.add_argument("--resume", action="store_true", help="continue the run in `out`")
    parser.add_argument("--codecs", type=Path, help="codecs of the data (default: the mini's)")
    parser.add_argument("--minutes", type=float, help="save and stop after this many minutes")
    words = "the last of --minutes, with a rate falling to 0, for a run that ends there (default 0)"
    parser.add_argument("--cooldown-minutes", type=float, default=0.0, help=words)
    words = "JSON list of prompts with frames, generated and scored during training"
    parser.add_argument("--validate", type=Path, help=words)
    words = "steps between validations (default: as between checkpoints)"
    parser.add_argument("--validate-every", type=int, help=words)
    add_threads(parser)
    parser.add_argument("--no-compile", action="store_true", help="run without torch.compile")
    words = "recompute blocks in the backward pass: slower, much less memory"
    parser.add_argument("--gradient-checkpointing", action="store_true", help=words)
    words = "split weights and optimiser among the processes (FSDP2) instead of copying them"
    parser.add_argument("--shard", action="store_true", help=words)
    hints, defaults = get_type_hints(TrainSettings), TrainSettings()
    for name, words in _OPTIONS.items():
        kind = hints[name] if hints[name] in (int, float) else str
        text = f"{words} (default {getattr(defaults, name)})"
        flags = [f"--{name.replace('_', '-')}", *filter(None, [_ALIASES.get(name)])]
        parser.add_argument(*flags, dest=name, type=kind, help=text)

    for name, words in _TASKS.items():
        text = f"share of the samples {words} (default {getattr(Tasks(), name)})"
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, help=text)
    add_stream_options(parser)
    _add_lora_options(parser)


def _add_lora_options(parser: ArgumentParser) -> None:
    defaults = LoRAConfig()
    group = parser.add_argument_group("LoRA, on top of --init-from (default: the bundled mini)")
    add = group.add_argument
    add("--lora", action="store_true", help="train a LoRA instead of all weights")
    add("--lora-rank", type=int, default=defaults.rank, help=f"default {defaults.rank}")
    add("--lora-alpha", type=float, default=defaults.alpha, help=f"default {defaults.alpha:g}")
    for name in ("audio", "video"):
        branch: BranchLoRA = getattr(defaults, name)
        layers = ",".join(branch.layers)
        add(f"--lora-{name}-layers", default=layers, help=f"of {','.join(LAYERS)} ({layers})")
        add(f"--lora-{name}-strength", type=float, default=1.0, help="share of alpha; 0: none")


def run(options: Namespace) -> None:
    """Train. Raises JoVAError."""
    use_threads(options)
    if options.minutes is not None and not options.minutes > 0:
        raise JoVAError(f"--minutes is {options.minutes:g}; give a time above 0.")
    chosen = {n: getattr(options, n) for n in _OPTIONS if getattr(options, n) is not None}
    tasks = {n: getattr(options, n) for n in _TASKS if getattr(options, n) is not None}
    settings = TrainSettings(
        **chosen,
        tasks=Tasks(**tasks),
        compile=not options.no_compile,
        gradient_checkpointing=options.gradient_checkpointing,
        shard=options.shard,
    )
    lora = _lora(options) if options.lora else None
    init_from = options.init_from or (MINI if options.lora else None)
    vocabulary = None
    if init_from is not None:
        if options.preset is not None or (options.codecs is not None and options.stream is None):
            note("--init-from has its own config and statistics: --preset and --codecs do nothing.")
        start = load_jova(init_from)
        config = start.config
        if lora is not None and "vocabulary" in start.notes:
            vocabulary = Vocabulary.from_dict(start.notes["vocabulary"])
    else:
        config = fresh_config(options.preset or "mini", options.codecs)
    vocabulary = vocabulary or _vocabulary_of(config)
    encoders = (MiniTextEncoder.of(config, vocabulary),)
    with _data(options, config, settings, encoders) as data:
        checkpoint = train(
            data,
            options.out,
            config,
            settings,
            encoders,
            notes={"vocabulary": vocabulary.to_dict()},
            lora=lora,
            init_from=init_from,
            resume=options.resume,
            callbacks=_callbacks(options, settings, encoders),
            clock=_clock(options),
        )
    result(str(checkpoint))


def _vocabulary_of(config: JoVAConfig) -> Vocabulary:
    """The words of the clips that a config's codecs were made for."""
    people = config.video.codec == PRESETS["mini2"].video.codec
    return people_vocabulary() if people else published_vocabulary()


def _data(
    options: Namespace,
    config: JoVAConfig,
    settings: TrainSettings,
    encoders: tuple[TextEncoder, ...],
) -> AbstractContextManager[Path | LatentSet]:
    """The folder to train on, or the stream in its place."""
    if options.stream is None:
        return nullcontext(options.data)
    if options.codecs is None:
        raise JoVAError("--stream encodes clips while training; give the --codecs to do it with.")
    return open_stream(options, config, options.codecs, settings, encoders)


def _clock(options: Namespace) -> Clock:
    if options.minutes is None:
        if options.cooldown_minutes:
            raise JoVAError("--cooldown-minutes are the last of --minutes; give both.")
        return Clock()
    return Clock(seconds=60 * options.minutes, cooldown=60 * options.cooldown_minutes)


def _callbacks(
    options: Namespace, settings: TrainSettings, encoders: tuple[TextEncoder, ...]
) -> list[TrainCallback]:
    if options.validate is None:
        return []
    if options.shard:
        raise JoVAError("--validate needs whole weights in one process; leave out --shard.")
    every = settings.checkpoint_every if options.validate_every is None else options.validate_every
    if every < 1:
        raise JoVAError(f"--validate-every is {every}; give 1 or more steps.")
    judges = options.data / FILE_NAME
    validation = Validation(
        out=options.out,
        cases=read_cases(options.validate),
        every=every,
        codecs=load_codecs(options.codecs or MINI_CODECS),
        encoders=encoders,
        face_model=find_landmarker(),
        judges=load_judges(judges) if judges.is_file() else None,
    )
    return [validation]


def _lora(options: Namespace) -> LoRAConfig:
    branches = {
        name: BranchLoRA(
            layers=tuple(filter(None, getattr(options, f"lora_{name}_layers").split(","))),
            strength=getattr(options, f"lora_{name}_strength"),
        )
        for name in ("audio", "video")
    }
    return LoRAConfig(rank=options.lora_rank, alpha=options.lora_alpha, **branches)


def fresh_config(preset: str, codecs: Path | None = None) -> JoVAConfig:
    """A preset with the latent statistics of the codecs.

    JoVAError for an unknown preset, and for one with other codecs.
    """
    config, loaded = preset_config(preset), load_codecs(codecs or MINI_CODECS)
    stats = loaded.stats
    for stream, name in (("video", loaded.video.name), ("audio", loaded.audio.name)):
        expected = getattr(config, stream).codec
        if name != expected:
            raise JoVAError(
                f"Got the {stream} codec {name}; the preset {preset} expects {expected}, whose "
                "latents have other statistics: give --codecs of that codec, or another --preset."
            )
    return replace(
        config,
        video=replace(config.video, mean=_values(stats.video_mean), std=_values(stats.video_std)),
        audio=replace(config.audio, mean=_values(stats.audio_mean), std=_values(stats.audio_std)),
    )


def _values(tensor: torch.Tensor) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in tensor)
