"""The colours by which latents of the bundled video codec are previewed, by least squares.

python tools/preview_factors.py FILMS CHECKPOINT CODECS      # FILMS: those of `jova train-codecs`
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from jova_core.latents import AVLatents, normalise
from jova_core.media.pixels import to_video
from jova_core.mini import load_pipeline
from jova_core.mini.codecs.clips import open_clips
from jova_core.mini.codecs.video import frame_groups
from jova_core.pipeline import JoVAPipeline

FRAMES, TRAIN, HELD_OUT = 25, 30, 8


@torch.inference_mode()
def cells(pipeline: JoVAPipeline, films: Sequence[Path]) -> tuple[Tensor, Tensor]:
    """Normalised latents and a 1 `[N, C + 1]`, and mean colours in -1 … 1 `[N, 3]`."""
    latents, colours = [], []
    for path in films:
        video = to_video(load_file(path)["frames"][:FRAMES])
        encoded = AVLatents(video=pipeline.codecs.video.encode(video))
        latents.append(normalise(pipeline.config, encoded).video[0].flatten(1).T)
        mean = F.avg_pool2d(frame_groups(video).mean(1), 8)
        colours.append(mean.permute(1, 0, 2, 3).flatten(1).T)
    x, y = torch.cat(latents).double(), torch.cat(colours).double()
    return torch.cat((x, torch.ones(len(x), 1)), dim=1), y


def main() -> None:
    """Print the factors, the bias, and R² on held-out films."""
    films, checkpoint, codecs = map(Path, sys.argv[1:])
    pipeline, clips = load_pipeline(checkpoint, codecs), open_clips(films)
    x, y = cells(pipeline, clips.train[:: max(1, len(clips.train) // TRAIN)][:TRAIN])
    factors = torch.linalg.lstsq(x, y).solution
    for row in factors.tolist():
        print("({:.4f}, {:.4f}, {:.4f}),".format(*row))
    x, y = cells(pipeline, clips.heldout[:HELD_OUT])
    missed = (x @ factors - y).square().sum() / (y - y.mean(0)).square().sum()
    print(f"R² {1 - float(missed):.4f}")


if __name__ == "__main__":
    main()
