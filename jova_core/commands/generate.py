"""`jova generate`: a prompt, and perhaps a picture, sound or video, becomes a clip."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..config import JoVAError
from ..media import fit_image, read_audio, read_audio_native, read_image, read_video, write_clip
from ..pipeline import (
    Clip,
    Generator,
    Given,
    SampleSettings,
    clip_frames,
    generate,
    load_generator,
)
from ..prompt import Prompt, describe_unknown, estimate_seconds, parse_prompt
from .console import Bar, note, result

DEFAULT_SECONDS = 2.0
SILENCE = 1e-3  # RMS below -60 dBFS
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


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
    add("--shift", type=float, help="timestep shift; default is the checkpoint's")
    add("--scale", type=int, default=4, help="enlarge the picture for viewing (default 4)")
    add("--checkpoint", type=Path, help="another JoVA checkpoint than the bundled mini")
    add("--codecs", type=Path, help="other codecs than the bundled ones")


def run(options: Namespace) -> None:
    """Generate and write one clip. Raises JoVAError, leaving nothing half-written."""
    prompt = _prompt(options)
    settings = SampleSettings(
        steps=options.steps,
        solver=options.solver,
        cfg_video=options.cfg_video,
        cfg_audio=options.cfg_audio,
        shift=options.shift,
        seed=options.seed,
    )
    _check_output(options)
    generator = load_generator(options.checkpoint, options.codecs)
    unknown = describe_unknown(prompt, generator.vocabulary)
    if unknown:
        note(unknown)
    given, frames = _read_given(options, generator, prompt)
    with Bar("generate", "step") as progress:
        clip = generate(generator, prompt, frames, settings, given=given.given, progress=progress)
    _write(options, generator, prompt, settings, clip=clip, material=given)


class _Material:
    """What was read from the user's files: for the network, and as it goes into the file."""

    def __init__(self) -> None:
        self.given = Given()
        self.sound: tuple[Tensor, int] | None = None
        self.film: Tensor | None = None


def _prompt(options: Namespace) -> Prompt:
    parts = (options.video_caption, options.audio_caption, options.transcript)
    prompt = parse_prompt(options.prompt) if options.prompt else Prompt()
    names = ("video_caption", "audio_caption", "transcript")
    for name, value in zip(names, parts, strict=True):
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
    allowed = (".mp4", *IMAGE_SUFFIXES)
    if target.suffix.lower() not in allowed:
        raise JoVAError(f"The output {target} ends in none of {', '.join(allowed)}; rename it.")
    if not target.parent.is_dir():
        raise JoVAError(f"The folder {target.parent} does not exist; make it first.")
    if not 1 <= options.scale <= 16:
        raise JoVAError(f"--scale is {options.scale}; give a whole number from 1 to 16.")


def _read_given(options: Namespace, generator: Generator, prompt: Prompt) -> tuple[_Material, int]:
    line, spec = generator.timeline, generator.config.video
    material, seconds = _Material(), options.seconds
    if seconds is not None:
        clip_frames(line, seconds)
    image = audio = video = None
    if options.image is not None:
        image = fit_image(read_image(options.image), spec.height, spec.width)
    if options.audio is not None:
        material.sound = read_audio_native(options.audio)
        audio = read_audio(options.audio, line.sample_rate)
        seconds = seconds or min(len(audio) / line.sample_rate, 20.0)
        if len(audio) == 0 or float(audio.square().mean().sqrt()) < SILENCE:
            note("The given sound is silent, so the mouth stays closed.")
    if options.video is not None:
        limit = clip_frames(line, seconds or 20.0)
        material.film = read_video(options.video, fps=spec.fps, max_frames=limit)
        count = (len(material.film) - 1) // line.temporal_ratio * line.temporal_ratio + 1
        material.film = material.film[:count]
        seconds = float(line.seconds(count))
        video = torch.stack([fit_image(f, spec.height, spec.width) for f in material.film])
    material.given = Given(image=image, audio=audio, video=video)
    needed = estimate_seconds(prompt.transcript)
    if seconds is None:
        seconds = 1 / float(spec.fps) if _is_image(options) else max(DEFAULT_SECONDS, needed)
    elif needed > seconds + 0.5 and not _is_image(options):
        note(f"The words need about {needed:.1f} s; a clip of {seconds:.1f} s cuts them short.")
    return material, clip_frames(line, seconds)


def _is_image(options: Namespace) -> bool:
    return options.output.suffix.lower() in IMAGE_SUFFIXES


def _write(
    options: Namespace,
    generator: Generator,
    prompt: Prompt,
    settings: SampleSettings,
    *,
    clip: Clip,
    material: _Material,
) -> None:
    line = generator.timeline
    frames, scale = (clip.frames, options.scale)
    if material.film is not None:
        frames, scale = material.film, 1
    sound, rate = clip.audio, line.sample_rate
    if material.sound is not None:
        sound, rate = material.sound
    written = write_clip(
        options.output,
        frames[:1] if _is_image(options) else frames,
        None if _is_image(options) else sound,
        fps=line.fps,
        sample_rate=rate,
        scale=scale,
        metadata={"prompt": prompt.tagged(), "seed": str(settings.seed), "software": "JoVA"},
    )
    for remark in written.notes:
        note(remark)
    result(f"{written.path}: {written.frames} frames, {float(written.seconds):.2f} s")
