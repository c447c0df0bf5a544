"""A sheet of single pictures by held-out captions, from the video branch by itself: to look at.

python tools/stills.py CHECKPOINT CODECS OUT.png [COUNT]      # default: 16 pictures
"""

import sys
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from jova_core.flow.schedule import simple_sigmas
from jova_core.flow.solvers import ab2
from jova_core.latents import denormalise, draw_noise, latent_shapes
from jova_core.media.pixels import to_frames
from jova_core.mini import load_pipeline
from jova_core.mini.evaluation.alone import alone_velocity
from jova_core.mini.people import draw_person, held_out_looks
from jova_core.pipeline import JoVAPipeline
from jova_core.prompt import Prompt

STEPS, GUIDANCE, COLUMNS = 16, 2.0, 4


@torch.inference_mode()
def pictures(pipeline: JoVAPipeline, captions: list[str], seed: int = 0) -> Tensor:
    """Frames uint8 `[N, H, W, 3]`, one for each caption."""
    config, prompts = pipeline.config, [Prompt(video_caption=caption) for caption in captions]
    velocity = alone_velocity(pipeline, prompts, GUIDANCE)
    (_, *shape), _ = latent_shapes(config, 1)
    noise = draw_noise((len(captions), *shape), None, seed)
    made = ab2(velocity, noise, simple_sigmas(STEPS, config.shift))
    decoded = pipeline.codecs.video.decode(denormalise(config, made).video)
    return torch.cat([to_frames(picture[None]) for picture in decoded])


def main() -> None:
    """Draw the sheet and print its captions in its order."""
    checkpoint, codecs, out, *count = sys.argv[1:]
    looks = held_out_looks(0)
    people = [draw_person(1000 + n, only=looks) for n in range(int(count[0]) if count else 16)]
    captions = [person.caption for person in people]
    frames = pictures(load_pipeline(Path(checkpoint), Path(codecs)), captions)
    side = frames.shape[1]
    sheet = Image.new("RGB", (COLUMNS * side, -(-len(frames) // COLUMNS) * side))
    for n, (frame, caption) in enumerate(zip(frames, captions, strict=True)):
        sheet.paste(Image.fromarray(frame.numpy()), (n % COLUMNS * side, n // COLUMNS * side))
        print(f"{n + 1}. {caption}")
    sheet.save(out)


if __name__ == "__main__":
    main()
