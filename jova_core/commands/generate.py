"""`jova generate`: a prompt, and perhaps a picture, sound or video, becomes a clip."""

import math
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from ..decoding import Decoding, decode_stream
from ..errors import JoVAError
from ..files import check_target
from ..given import Given
from ..kernels import fast_fp32
from ..media import (
    MAX_SCALE,
    PICTURE_SUFFIXES,
    fit_image,
    probe,
    read_audio,
    read_audio_native,
    read_image,
    read_video,
    write_clip,
)
from ..mini import load_pipeline
from ..model.lora import load_lora, merge_lora
from ..pipeline import JoVAPipeline, SampleSettings, clip_frames, sample
from ..prompt import PARTS, Prompt, parse_prompt
from ..timeline import Timeline
from ..vocabulary import describe_length, describe_unknown, estimate_seconds
from . import generate_latents
from .console import Bar, note, result
from .generate_latents import DTYPES
from .sampling_options import add_sampling_options, sampling_options

DEFAULT_SECONDS = 2.0
SILENCE = 1e-3  # RMS below -60 dBFS


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova generate`."""
    defaults = SampleSettings()
    add = parser.add_argument
    add("prompt", nargs="?", default="", help='tagged, or a description and "spoken words"')
    add("-o", "--output", type=Path, required=True, help="file to write: .mp4, or .png for 1 frame")
    add("--video-caption", help="what is seen (instead of a tagged prompt)")
    add("--audio-caption", help="what is heard")
    add("--transcript", help="the words that are spoken")
    add("--image", type=Path, help="portrait that starts to speak: the first frame")
    add("--audio", type=Path, help="speech to act to; it is kept in the file as it is")
    add("--video", type=Path, help="silent film to give a voice")
    add("--seconds", type=float, help="length; by default what the words need")
    add("--seed", type=int, default=defaults.seed, help="same seed, same clip (default 0)")
    add("--steps", type=int, default=defaults.steps, help=f"default {defaults.steps}")
    add("--solver", default=defaults.solver, help="euler or heun")
    add("--cfg-video", type=float, default=defaults.cfg_video, help=f"{defaults.cfg_video:g}")
    add("--cfg-audio", type=float, default=defaults.cfg_audio, help=f"{defaults.cfg_audio:g}")
    add_sampling_options(parser)
    add("--shift", type=float, help="timestep shift; default is the checkpoint's")
    add("--scale", type=int, default=4, help="enlarge for viewing (default 4); not with --video")
    add("--checkpoint", type=Path, help="another JoVA checkpoint than the bundled mini")
    add("--codecs", type=Path, help="other codecs than the bundled ones")
    add("--conditioning", type=Path, help="a saved prompt, for any checkpoint: writes latents")
    add("--negative", type=Path, help="the saved empty prompt, which guidance leads away from")
    add("--size", help="WIDTHxHEIGHT in pixels, with --conditioning")
    add("--dtype", choices=DTYPES, default="fp32", help="of the weights, with --conditioning")
    add("--lora", type=Path, help="a LoRA that `jova train --lora` wrote")
    add("--lora-strength", type=float, default=1.0, help="0 leaves the model as it is")


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
    pipeline = load_pipeline(options.checkpoint, options.codecs)
    if options.lora is not None:
        merge_lora(pipeline.model, load_lora(options.lora), options.lora_strength)
    unknown = describe_unknown(prompt, pipeline.vocabulary)
    if unknown:
        note(unknown)
    given, frames = _read_given(options, pipeline, prompt)
    prompt = replace(prompt, transcript="") if given.silent else prompt
    with Bar("generate", "step") as progress, fast_fp32():
        latents = sample(pipeline, prompt, frames, settings, given=given.given, progress=progress)
    made = decode_stream(pipeline, latents, frames)
    _write(options, pipeline, prompt, settings, made=made, material=given)


class _Material:
    """What was read from the user's files: for the network, and as it goes into the file."""

    def __init__(self) -> None:
        self.given = Given()
        self.sound: tuple[Tensor, int] | None = None
        self.film: Tensor | None = None
        self.silent = False


def _prompt(options: Namespace) -> Prompt:
    parts = (options.video_caption, options.audio_caption, options.transcript)
    prompt = parse_prompt(options.prompt) if options.prompt else Prompt()
    for name, value in zip(PARTS, parts, strict=True):
        if value is not None:
            if getattr(prompt, name):
                raise JoVAError(
                    f"The prompt already holds a {name.replace('_', ' ')}; give it once."
                )
            prompt = replace(prompt, **{name: value})
    return prompt


def _check_output(options: Namespace) -> None:
    """Find out what cannot be written before the work, not after it."""
    target: Path = options.output
    allowed = (".mp4", *PICTURE_SUFFIXES)
    if target.suffix.lower() not in allowed:
        raise JoVAError(f"The output {target} ends in none of {', '.join(allowed)}; rename it.")
    for name in ("seconds", "audio", "video"):
        if _is_image(options) and getattr(options, name) is not None:
            raise JoVAError(
                f"{target} is a picture, so --{name} makes no sense; leave it away or write a .mp4."
            )
    check_target(target)
    if not 1 <= options.scale <= MAX_SCALE:
        raise JoVAError(f"--scale is {options.scale}; give a whole number from 1 to {MAX_SCALE}.")


def _read_given(
    options: Namespace, pipeline: JoVAPipeline, prompt: Prompt
) -> tuple[_Material, int]:
    line, spec = pipeline.timeline, pipeline.config.video
    material, frames = _Material(), None
    if options.seconds is not None:
        frames = clip_frames(line, options.seconds)
    image = audio = video = None
    if options.image is not None:
        image = fit_image(read_image(options.image), spec.height, spec.width)
    if options.audio is not None:
        material.sound = read_audio_native(options.audio)
        audio = read_audio(options.audio, line.sample_rate)
        there = min(Fraction(len(audio), line.sample_rate), line.max_seconds)
        frames = frames or line.covering_frames(there)
        if float(audio.square().mean().sqrt()) < SILENCE:
            note("The given sound is silent, so nothing is said and the mouth stays closed.")
            material.silent = True
    if options.video is not None:
        material.film = _read_film(options.video, line, frames)
        frames = len(material.film)
        video = torch.stack([fit_image(f, spec.height, spec.width) for f in material.film])
    material.given = Given(image=image, audio=audio, video=video)
    frames = frames or _needed_frames(options, line, prompt)
    too_long = describe_length(prompt, float(line.seconds(frames)))
    if too_long and not _is_image(options):
        note(too_long)
    return material, frames


def _read_film(path: Path, line: Timeline, frames: int | None) -> Tensor:
    """As many frames as fill whole latents, at most `frames`; says what is left out or missing."""
    limit = frames or clip_frames(line, line.max_seconds)
    film = read_video(path, fps=line.fps, max_frames=limit)
    film = film[: line.whole_frames(len(film))]
    there, used = float(probe(path).video.seconds), float(line.seconds(len(film)))
    if len(film) < (frames or 0) or (frames is None and there - used > 1 / line.fps):
        note(f"The given video lasts {there:.2f} s; the clip gets {used:.2f} s.")
    return film


def _needed_frames(options: Namespace, line: Timeline, prompt: Prompt) -> int:
    """Length where nothing sets it: one frame for a picture, else what the words need.

    Whole seconds, because those are the lengths that the mini was trained on.
    """
    if _is_image(options):
        return 1
    needed = estimate_seconds(prompt.transcript)
    return clip_frames(line, max(DEFAULT_SECONDS, math.ceil(needed)))


def _is_image(options: Namespace) -> bool:
    return options.output.suffix.lower() in PICTURE_SUFFIXES


def _write(
    options: Namespace,
    pipeline: JoVAPipeline,
    prompt: Prompt,
    settings: SampleSettings,
    *,
    made: Decoding,
    material: _Material,
) -> None:
    line = pipeline.timeline
    frames, scale = (made.frames, options.scale)
    if material.film is not None:
        frames, scale = material.film, 1
    sound, rate = made.audio, line.sample_rate
    if material.sound is not None:
        sound, rate = material.sound
    written = write_clip(
        options.output,
        frames,
        None if _is_image(options) else sound,
        fps=line.fps,
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
