"""`jova train-codecs`: train the mini's video and audio codec and join them into one file."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from ..training.codecs import train_audio_codec, train_video_codec, write_codecs
from .console import note, result


def add_options(parser: ArgumentParser) -> None:
    """The options of `jova train-codecs`."""
    parser.add_argument("data", type=Path, help="folder that `jova data make-mini` wrote")
    parser.add_argument("out", type=Path, help="file to write, beside it the parts and logs")
    parser.add_argument("--video-minutes", type=float, default=60)
    parser.add_argument("--audio-minutes", type=float, default=20)
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--seed", type=int, default=0)


def run(options: Namespace) -> None:
    """Train one after the other. Raises JoVAError."""
    if options.threads:
        torch.set_num_threads(options.threads)
    parts = [options.out.with_suffix(f".{name}.safetensors") for name in ("video", "audio")]
    note("Training the video codec.")
    train_video_codec(options.data, parts[0], minutes=options.video_minutes, seed=options.seed)
    note("Training the audio codec.")
    train_audio_codec(options.data, parts[1], minutes=options.audio_minutes, seed=options.seed)
    write_codecs(options.data, *parts, options.out)
    result(str(options.out))
