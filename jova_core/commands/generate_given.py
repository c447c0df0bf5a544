"""`jova generate`: the user's media, and the task that they are given for."""

import math
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from ..errors import JoVAError
from ..given import Given, check_takes_parts
from ..media import (
    PICTURE_SUFFIXES,
    VideoInfo,
    audio_fault,
    check_channels,
    fit_image,
    load_audio,
    probe,
    read_image,
    read_video,
    resample,
)
from ..mouth.landmarks import LipDetector
from ..mouth.masks import latent_mask
from ..pipeline import JoVAPipeline, clip_frames
from ..prompt import Prompt
from ..tasks import dub, dub_in_voice, extend, lip_sync, redo
from ..timeline import Timeline
from ..vocabulary import describe_length, estimate_seconds
from .console import note

DEFAULT_SECONDS = 2.0
# Tasks on a film besides giving it a voice; lip-sync is asked for by giving audio too.
_TASKS = ("dub", "extend", "redo")


@dataclass
class Material:
    """The user's media: as input of the network, and as they go into the file."""

    given: Given = field(default_factory=Given)
    audio: tuple[Tensor, int] | None = None
    video: VideoInfo | None = None
    silent: bool = False


def add_task_options(parser: ArgumentParser) -> None:
    """What is to be done with --video; with --audio beside it, lip-sync."""
    add = parser.add_argument
    words = "new words and mouth: the transcript, in the caption's voice or else the film's own"
    add("--dub", action="store_true", help=words)
    add("--extend", action="store_true", help="go on with the film, up to --seconds")
    words = "seconds between which the film is made anew"
    add("--redo", type=float, nargs=2, metavar=("FROM", "TO"), help=words)
    words = "what --redo makes: both, video or audio (default both)"
    add("--redo-stream", choices=("both", "video", "audio"), default="both", help=words)


def is_image(options: Namespace) -> bool:
    """Whether a single picture is to be written."""
    return options.output.suffix.lower() in PICTURE_SUFFIXES


def read_given(options: Namespace, pipeline: JoVAPipeline, prompt: Prompt) -> tuple[Material, int]:
    """The media of the command line, and the frame count of the clip. Raises JoVAError."""
    task = _task(options)
    timeline, spec = pipeline.timeline, pipeline.config.video
    material, frames = Material(), None
    if options.seconds is not None:
        frames = clip_frames(timeline, options.seconds)
    images = {
        name: fit_image(read_image(path), spec.height, spec.width)
        for name in ("image", "last_image")
        if (path := getattr(options, name)) is not None
    }
    audio = None
    if options.audio is not None:
        audio = _read_audio(options.audio, timeline, material)
    if task is not None:
        film = _read_video(options.video, pipeline, None if task == "extend" else frames, material)
        if task == "dub":
            return _dub(options, pipeline, material, film, own_voice=not prompt.audio_caption)
        return _film_task(options, pipeline, material, (task, film, audio), frames)
    video = None
    if audio is not None:
        seconds = min(Fraction(len(audio), timeline.sample_rate), timeline.max_seconds)
        frames = frames or timeline.covering_frames(seconds)
    if options.video is not None:
        video = _read_video(options.video, pipeline, frames, material)
        frames = len(video)
    material.given = Given(audio=audio, video=video, **images)
    frames = frames or _needed_frames(options, timeline, prompt)
    too_long = describe_length(prompt, float(timeline.seconds(frames)))
    if too_long and not is_image(options):
        note(too_long)
    return material, frames


def _task(options: Namespace) -> str | None:
    """The task on a film that the options ask for, if any. JoVAError: they contradict."""
    asked = [name for name in _TASKS if getattr(options, name)]
    if options.audio is not None and options.video is not None:
        asked.append("lip_sync")
    if len(asked) > 1:
        names = ["--audio" if name == "lip_sync" else f"--{name}" for name in asked]
        raise JoVAError(f"Got {' and '.join(names)} for one film; give one of them.")
    if asked and options.video is None:
        raise JoVAError(f"--{asked[0]} is for a film; give one with --video.")
    if options.redo_stream != "both" and not options.redo:
        raise JoVAError("--redo-stream says what --redo makes; give --redo FROM TO as well.")
    pictures = [n for n in ("image", "last_image") if getattr(options, n) is not None]
    if options.video is not None and pictures:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in pictures)
        raise JoVAError(f"Got --video and {names}; a film has its own pictures: give one of them.")
    return asked[0] if asked else None


def _film_task(
    options: Namespace,
    pipeline: JoVAPipeline,
    material: Material,
    asked: tuple[str, Tensor, Tensor | None],
    frames: int | None,
) -> tuple[Material, int]:
    """What is given for a task on a film: task, pictures, and audio for lip-sync."""
    task, film, audio = asked
    config, line = pipeline.config, pipeline.timeline
    _note_size(material, pipeline)
    if task == "lip_sync":
        check_takes_parts(config)
        material.given = lip_sync(film, audio, _mouth(film, pipeline))
        return material, len(film)
    heard = _own_audio(options, line, material)
    if task == "redo":
        material.given = redo(config, film, heard, tuple(options.redo), options.redo_stream)
        return material, line.whole_frames(len(film))
    frames = frames or clip_frames(line, float(line.seconds(len(film))) + DEFAULT_SECONDS)
    material.given = extend(config, film, heard, frames)
    return material, frames


def _dub(
    options: Namespace,
    pipeline: JoVAPipeline,
    material: Material,
    film: Tensor,
    *,
    own_voice: bool,
) -> tuple[Material, int]:
    """A film that is dubbed: in its own voice, or in the one that the audio caption names."""
    check_takes_parts(pipeline.config)
    _note_size(material, pipeline)
    mouth = _mouth(film, pipeline)
    heard = _own_voice(options, pipeline.timeline, material) if own_voice else None
    if heard is None:
        material.given = dub(film, mouth)
    else:
        material.given = dub_in_voice(pipeline.config, film, heard, mouth)
    if material.given.lead:
        note("The voice is the film's own; an audio caption would name another.")
    return material, len(film)


def _own_voice(options: Namespace, line: Timeline, material: Material) -> Tensor | None:
    """The film's audio at the model's rate, if anything is heard in it."""
    if probe(options.video).audio is None:
        return None
    heard = _load_audio(options.video, line, material)
    material.audio = None
    fault = audio_fault(heard)
    return None if fault is not None and not fault.heard else heard


def _own_audio(options: Namespace, line: Timeline, material: Material) -> Tensor | None:
    """The film's own audio at the model's rate, if it has any."""
    there = probe(options.video).audio
    heard = _read_audio(options.video, line, material) if there is not None else None
    material.audio = None
    return heard


def _note_size(material: Material, pipeline: JoVAPipeline) -> None:
    """Say at which size and rate the clip of a film is made, where those are not the film's."""
    spec, own = pipeline.config.video, material.video
    if (own.width, own.height, own.fps) != (spec.width, spec.height, spec.fps):
        note(
            f"The film has {own.width} x {own.height} px at {float(own.fps):g} fps; the clip is "
            f"made at {spec.width} x {spec.height} px and {float(spec.fps):g} fps, the model's."
        )
    material.video = None


def _mouth(film: Tensor, pipeline: JoVAPipeline) -> Tensor:
    """Cells of the mouth `[T, h, w]` in a film. JoVAError: no face is in it."""
    with LipDetector() as detector:
        track = detector.detect(film, every=2)
    if not track.found.any():
        raise JoVAError(
            f"No face was found in the film, so there is no mouth to make. {track.note}".rstrip()
        )
    spec = pipeline.config.video
    sizes = {"temporal_ratio": spec.temporal_ratio, "spatial_ratio": spec.spatial_ratio}
    height, width = film.shape[1:3]
    return latent_mask(track.boxes, track.found, height=height, width=width, **sizes)


def _load_audio(path: Path, timeline: Timeline, material: Material) -> Tensor:
    """Mono audio at the model's rate; notes what was done to read it."""
    loaded = load_audio(path)
    check_channels(len(loaded.samples))
    material.audio = (loaded.samples, loaded.sample_rate)
    for remark in loaded.notes:
        note(f"The given audio: {remark}.")
    return resample(loaded.mono, loaded.sample_rate, timeline.sample_rate)


def _read_audio(path: Path, timeline: Timeline, material: Material) -> Tensor:
    """Mono audio at the model's rate; notes what is wrong with it."""
    audio = _load_audio(path, timeline, material)
    fault = audio_fault(audio)
    if fault is not None:
        material.silent = not fault.heard
        then = ", so nothing is said and the mouth stays closed" if material.silent else ""
        note(f"The given audio is {fault.words}{then}.")
    return audio


def _read_video(
    path: Path, pipeline: JoVAPipeline, frames: int | None, material: Material
) -> Tensor:
    """At most `frames` frames, to fill whole latents; notes a difference in length."""
    timeline, spec = pipeline.timeline, pipeline.config.video
    limit = frames or clip_frames(timeline, timeline.max_seconds)
    size = {"height": spec.height, "width": spec.width}
    video = read_video(path, fps=timeline.fps, max_frames=limit, **size)
    video = video[: timeline.whole_frames(len(video))]
    info = material.video = probe(path).video
    for remark in info.notes:
        note(f"The given video was {remark}.")
    length, used = float(info.seconds), float(timeline.seconds(len(video)))
    if len(video) < (frames or 0) or (frames is None and length - used > 1 / timeline.fps):
        note(f"The given video lasts {length:.2f} s; the clip lasts {used:.2f} s.")
    return video


def _needed_frames(options: Namespace, timeline: Timeline, prompt: Prompt) -> int:
    """The default length: one frame for a picture, else enough for the words.

    Whole seconds, because the mini was trained on such lengths.
    """
    if is_image(options):
        return 1
    needed = estimate_seconds(prompt.transcript)
    return clip_frames(timeline, max(DEFAULT_SECONDS, math.ceil(needed)))
