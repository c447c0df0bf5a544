"""`jova generate`: a prompt, and optionally a picture, audio or a video → a clip."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from ..decoding import Decoding, decode_stream
from ..errors import JoVAError
from ..files import check_target
from ..kernels import fast_fp32
from ..media import (
    MAX_SCALE,
    PICTURE_SUFFIXES,
    stream_video,
    write_clip,
)
from ..mini import load_pipeline
from ..model.lora import load_lora, merge_lora
from ..pipeline import JoVAPipeline, SampleSettings, sample
from ..prompt import PARTS, Prompt
from ..prompt_text import parse_prompt
from ..vocabulary import describe_markup, describe_unknown
from . import generate_latents
from .console import Bar, note, result
from .generate_given import Material, add_task_options, is_image, read_given
from .generate_latents import DTYPES
from .sampling_options import add_sampling_options, sampling_options

# Files that are read, which the output must not replace.
_INPUTS = ("image", "last_image", "audio", "video", "checkpoint", "codecs")


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
    add("--last-image", type=Path, help="last frame")
    add("--audio", type=Path, help="speech to act to; kept unchanged in the file")
    add("--video", type=Path, help="film: to give a voice, or for a task on it")
    add_task_options(parser)
    add("--seconds", type=float, help="length (default: enough for the words)")
    add("--seed", type=int, default=defaults.seed, help="same seed, same clip (default 0)")
    add("--steps", type=int, default=defaults.steps, help=f"default {defaults.steps}")
    add("--solver", default=defaults.solver, help="euler, heun or ab2 (as good in half the steps)")
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
    material, frames = read_given(options, pipeline, prompt)
    prompt = replace(prompt, transcript="") if material.silent else prompt
    with Bar("generate", "step") as progress, fast_fp32():
        latents = sample(
            pipeline, prompt, frames, settings, given=material.given, progress=progress
        )
    decoding = decode_stream(pipeline, latents, frames, given=material.given)
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
        if is_image(options) and getattr(options, name) is not None:
            raise JoVAError(
                f"{target} is a picture, so --{name} makes no sense; leave it out or write a .mp4."
            )
    check_target(target)
    inputs = [(name, getattr(options, name)) for name in _INPUTS]
    for name, path in [*inputs, *(("lora", path) for path in options.lora)]:
        if path is not None and path.exists() and target.exists() and path.samefile(target):
            raise JoVAError(
                f"The output {target} would replace the file of --{name.replace('_', '-')}; give "
                "another name."
            )
    if not 1 <= options.scale <= MAX_SCALE:
        raise JoVAError(f"--scale is {options.scale}; give a whole number from 1 to {MAX_SCALE}.")


def _write(
    options: Namespace,
    pipeline: JoVAPipeline,
    prompt: Prompt,
    settings: SampleSettings,
    *,
    decoding: Decoding,
    material: Material,
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
        None if is_image(options) else audio,
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
