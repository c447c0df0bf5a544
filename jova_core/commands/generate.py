"""`jova generate`: a prompt, and optionally a picture, audio or a video → a clip."""

import math
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from ..decoding import Decoding, decode_stream
from ..errors import JoVAError
from ..files import check_target
from ..given import Given
from ..kernels import fast_fp32
from ..media import (
    MAX_SCALE,
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
    stream_video,
    write_clip,
)
from ..mini import load_pipeline
from ..model.lora import load_lora, merge_lora
from ..pipeline import JoVAPipeline, SampleSettings, clip_frames, sample
from ..prompt import PARTS, Prompt, parse_prompt
from ..timeline import Timeline
from ..vocabulary import describe_length, describe_markup, describe_unknown, estimate_seconds
from . import generate_latents
from .console import Bar, note, result
from .generate_latents import DTYPES
from .sampling_options import add_sampling_options, sampling_options

DEFAULT_SECONDS = 2.0
# Files that are read, which the output must not replace.
_INPUTS = ("image", "audio", "video", "checkpoint", "codecs")


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova generate`."""
    defaults = SampleSettings()
    add = parser.add_argument
    add(
        "prompt",
        nargs="?",
        default="",
        help='tagged, or a description with the "spoken words" in quotes',
    )
    add("-o", "--output", type=Path, required=True, help="file to write: .mp4, or .png for 1 frame")
    add("--video-caption", help="description of the picture (instead of a tagged prompt)")
    add("--audio-caption", help="description of the voice")
    add("--transcript", help="the spoken words")
    add("--image", type=Path, help="first frame: a portrait, which starts to speak")
    add("--audio", type=Path, help="speech to act to; kept unchanged in the file")
    add("--video", type=Path, help="silent video to give a voice")
    add("--seconds", type=float, help="length (default: enough for the words)")
    add("--seed", type=int, default=defaults.seed, help="same seed, same clip (default 0)")
    add("--steps", type=int, default=defaults.steps, help=f"default {defaults.steps}")
    add("--solver", default=defaults.solver, help="euler or heun")
    add(
        "--cfg-video",
        type=float,
        default=defaults.cfg_video,
        help=f"default {defaults.cfg_video:g}",
    )
    add(
        "--cfg-audio",
        type=float,
        default=defaults.cfg_audio,
        help=f"default {defaults.cfg_audio:g}",
    )
    add_sampling_options(parser)
    add("--shift", type=float, help="timestep shift (default: the checkpoint's)")
    add("--scale", type=int, default=4, help="enlarge for viewing (default 4); not with --video")
    add("--checkpoint", type=Path, help="JoVA checkpoint (default: the bundled mini)")
    add("--codecs", type=Path, help="default: the bundled codecs")
    add("--conditioning", type=Path, help="saved prompt, for any checkpoint: writes latents")
    add("--negative", type=Path, help="saved empty prompt, the negative of CFG")
    add("--size", help="WIDTHxHEIGHT in pixels, with --conditioning")
    add("--dtype", choices=DTYPES, default="fp32", help="of the weights, with --conditioning")
    words = "LoRA from `jova train --lora`; repeat it to add another"
    add("--lora", type=Path, action="append", default=[], help=words)
    words = "strength of each --lora in turn (default 1); 0 leaves the model unchanged"
    add("--lora-strength", type=float, action="append", default=[], help=words)


def run(options: Namespace) -> None:
    """Generate and write one clip. Raises JoVAError, leaving nothing half-written."""
    settings = SampleSettings(
        steps=options.steps,
        solver=options.solver,
        cfg_video=options.cfg_video,
        cfg_audio=options.cfg_audio,
        **sampling_options(options),
        shift=options.shift,
        seed=options.seed,
    )
    if options.conditioning is not None:
        generate_latents.run(options, settings)
        return
    prompt = _prompt(options)
    _check_output(options)
    loras = _loras(options)
    pipeline = load_pipeline(options.checkpoint, options.codecs)
    for path, strength in loras:
        merge_lora(pipeline.model, load_lora(path), strength)
    for remark in (describe_markup(prompt), describe_unknown(prompt, pipeline.vocabulary)):
        if remark:
            note(remark)
    material, frames = _read_given(options, pipeline, prompt)
    prompt = replace(prompt, transcript="") if material.silent else prompt
    with Bar("generate", "step") as progress, fast_fp32():
        latents = sample(
            pipeline, prompt, frames, settings, given=material.given, progress=progress
        )
    decoding = decode_stream(pipeline, latents, frames)
    _write(options, pipeline, prompt, settings, decoding=decoding, material=material)


def _loras(options: Namespace) -> list[tuple[Path, float]]:
    """Each LoRA with its strength; one strength alone counts for all."""
    loras, strengths = options.lora, options.lora_strength
    if len(strengths) <= 1:
        strengths = (strengths or [1.0]) * len(loras)
    if len(strengths) != len(loras) or (options.lora_strength and not loras):
        raise JoVAError(
            f"Got {len(options.lora_strength)} --lora-strength for {len(loras)} --lora; expected "
            "one for each, or one for all; give as many."
        )
    return list(zip(loras, strengths, strict=True))


class _Material:
    """The user's media: as input of the network, and as they go into the file."""

    def __init__(self) -> None:
        self.given = Given()
        self.audio: tuple[Tensor, int] | None = None
        self.video: VideoInfo | None = None
        self.silent = False


def _prompt(options: Namespace) -> Prompt:
    parts = (options.video_caption, options.audio_caption, options.transcript)
    prompt = parse_prompt(options.prompt) if options.prompt else Prompt()
    for name, value in zip(PARTS, parts, strict=True):
        if value is not None:
            if getattr(prompt, name):
                raise JoVAError(f"The prompt already has a {name.replace('_', ' ')}; give it once.")
            prompt = replace(prompt, **{name: value})
    return prompt


def _check_output(options: Namespace) -> None:
    """Check the output before the work, not after it."""
    target: Path = options.output
    allowed = (".mp4", *PICTURE_SUFFIXES)
    if target.suffix.lower() not in allowed:
        raise JoVAError(f"Got the output {target}; expected a name in {', '.join(allowed)}.")
    for name in ("seconds", "audio", "video"):
        if _is_image(options) and getattr(options, name) is not None:
            raise JoVAError(
                f"{target} is a picture, so --{name} makes no sense; leave it out or write a .mp4."
            )
    check_target(target)
    inputs = [(name, getattr(options, name)) for name in _INPUTS]
    for name, path in [*inputs, *(("lora", path) for path in options.lora)]:
        if path is not None and path.exists() and target.exists() and path.samefile(target):
            raise JoVAError(
                f"The output {target} would replace the file of --{name}; give another name."
            )
    if not 1 <= options.scale <= MAX_SCALE:
        raise JoVAError(f"--scale is {options.scale}; give a whole number from 1 to {MAX_SCALE}.")


def _read_given(
    options: Namespace, pipeline: JoVAPipeline, prompt: Prompt
) -> tuple[_Material, int]:
    timeline, spec = pipeline.timeline, pipeline.config.video
    material, frames = _Material(), None
    if options.seconds is not None:
        frames = clip_frames(timeline, options.seconds)
    image = audio = video = None
    if options.image is not None:
        image = fit_image(read_image(options.image), spec.height, spec.width)
    if options.audio is not None:
        audio = _read_audio(options.audio, timeline, material)
        seconds = min(Fraction(len(audio), timeline.sample_rate), timeline.max_seconds)
        frames = frames or timeline.covering_frames(seconds)
    if options.video is not None:
        video = _read_video(options.video, pipeline, frames, material)
        frames = len(video)
    material.given = Given(image=image, audio=audio, video=video)
    frames = frames or _needed_frames(options, timeline, prompt)
    too_long = describe_length(prompt, float(timeline.seconds(frames)))
    if too_long and not _is_image(options):
        note(too_long)
    return material, frames


def _read_audio(path: Path, timeline: Timeline, material: _Material) -> Tensor:
    """Mono audio at the model's rate; notes what is wrong with it."""
    loaded = load_audio(path)
    check_channels(len(loaded.samples))
    material.audio = (loaded.samples, loaded.sample_rate)
    for remark in loaded.notes:
        note(f"The given audio: {remark}.")
    audio = resample(loaded.mono, loaded.sample_rate, timeline.sample_rate)
    fault = audio_fault(audio)
    if fault is not None:
        material.silent = not fault.heard
        then = ", so nothing is said and the mouth stays closed" if material.silent else ""
        note(f"The given audio is {fault.words}{then}.")
    return audio


def _read_video(
    path: Path, pipeline: JoVAPipeline, frames: int | None, material: _Material
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
    if _is_image(options):
        return 1
    needed = estimate_seconds(prompt.transcript)
    return clip_frames(timeline, max(DEFAULT_SECONDS, math.ceil(needed)))


def _is_image(options: Namespace) -> bool:
    return options.output.suffix.lower() in PICTURE_SUFFIXES


def _write(
    options: Namespace,
    pipeline: JoVAPipeline,
    prompt: Prompt,
    settings: SampleSettings,
    *,
    decoding: Decoding,
    material: _Material,
) -> None:
    timeline = pipeline.timeline
    frames, fps, scale = decoding.frames, timeline.fps, options.scale
    audio, rate = material.audio or (decoding.audio, timeline.sample_rate)
    if material.video is not None:
        # The user's own pictures, at their own rate and size.
        fps, scale = material.video.fps, 1
        seconds = timeline.seconds(frames.count)
        frames = stream_video(options.video, frames=max(1, int(seconds * fps)))
        audio = audio[..., : round(frames.count / fps * rate)]
    written = write_clip(
        options.output,
        frames,
        None if _is_image(options) else audio,
        fps=fps,
        sample_rate=rate,
        scale=scale,
        metadata={
            "prompt": prompt.tagged(pipeline.config.prompt),
            "seed": str(settings.seed),
            "software": "JoVA",
        },
    )
    for remark in written.notes:
        note(remark)
    result(f"{written.path}: {written.frames} frames, {float(written.seconds):.2f} s")
