"""`jova generate --conditioning`: a checkpoint of any size, from saved text to latent files."""

from argparse import Namespace

import torch

from ..cached import sample_cached
from ..decoding import check_finite
from ..errors import JoVAError
from ..files import check_target
from ..kernels import fast_fp32
from ..latents import denormalise, latent_shapes
from ..model.checkpoint import load_jova
from ..pipeline import SampleSettings, clip_frames
from ..saved import load_conditioning, save_latents
from ..timeline import Timeline
from .console import Bar, note, result
from .plan import size_of

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
SUFFIX = ".latent"
# They need a text encoder or a codec, which stay ComfyUI's for a checkpoint of any size.
_FOREIGN = ("prompt", "video_caption", "audio_caption", "transcript", "image", "audio", "video")


def run(options: Namespace, settings: SampleSettings) -> None:
    """Sample and write a file for each stream. Raises JoVAError before the weights are read."""
    size = size_of(options.size)
    _check(options, settings)
    told = load_conditioning(options.conditioning)
    empty = None if options.negative is None else load_conditioning(options.negative)
    checkpoint = load_jova(options.checkpoint)
    config = checkpoint.config
    texts = [
        None if saved is None else saved.conditioning(config, str(path))
        for saved, path in ((told, options.conditioning), (empty, options.negative))
    ]
    line = Timeline.of(config)
    frames = clip_frames(line, options.seconds or 1.0)
    width, height = size
    shapes = latent_shapes(config, frames, height=height, width=width)
    if "licence" in checkpoint.notes:
        note(f"Licence of the weights: {checkpoint.notes['licence']}.")
    model = checkpoint.model(DTYPES[options.dtype])
    with Bar("generate", "step") as progress, fast_fp32():
        latents = sample_cached(model, *texts, shapes, settings, progress=progress)
    check_finite(latents)
    for path in save_latents(options.output, denormalise(config, latents)):
        result(str(path))


def _check(options: Namespace, settings: SampleSettings) -> None:
    given = [name for name in _FOREIGN if getattr(options, name)]
    if given:
        raise JoVAError(
            f"Got --conditioning and {given[0].replace('_', ' ')}; saved conditioning holds the "
            "whole prompt: leave the other out, or encode it in ComfyUI."
        )
    if options.checkpoint is None:
        raise JoVAError("Got --conditioning without --checkpoint; name the checkpoint, too.")
    if options.output.suffix != SUFFIX:
        raise JoVAError(
            f"Got the output {options.output}; with --conditioning latents are written: give a "
            f"name that ends in {SUFFIX}."
        )
    if settings.cfg_audio_alone:
        raise JoVAError("--cfg-audio-alone does not go with --conditioning; leave it out.")
    check_target(options.output)
    if options.negative is None and not settings.cfg_video == settings.cfg_audio == 1:
        raise JoVAError(
            "Guidance needs the empty prompt: give its conditioning as --negative, or set "
            "--cfg-video 1 --cfg-audio 1."
        )
