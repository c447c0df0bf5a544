"""A character that JoVA-mini never saw, with a hat and a voice of its own, as a user's video files.

What a LoRA learns from a few of them shows whether training works.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ...errors import JoVAError
from ...media import write_clip
from .animate import act
from .script import FPS, write_script
from .soften import soften
from .speech import NEW_VOICE, SAMPLE_RATE, make_bank
from .vocabulary import WORDS, held_out_pairs, video_caption

AUDIO_CAPTION = "a voice speaks"
# Stands where clips of the data set have their number.
STREAM = 0x4A7


def make_newcomer(
    folder: Path, clips: int, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write `clips` mp4 files and `clips.jsonl`, the list that `jova data encode` takes.

    Captions say the look as always and do not name the hat. JoVAError: bad numbers, no espeak-ng.
    """
    if clips < 1 or seed < 0:
        raise JoVAError(
            f"Got {clips} clips and seed {seed}; give 1 or more clips, and a seed of 0 or more."
        )
    folder.mkdir(parents=True, exist_ok=True)
    bank, held_out = make_bank(WORDS, (NEW_VOICE,)), held_out_pairs(0)
    lines = []
    for number in range(clips):
        rng = np.random.default_rng((seed, STREAM, number))
        script = write_script(rng, bank, held_out, "train", (NEW_VOICE,))
        pictures = act(rng, script, hat=True)
        frames = torch.from_numpy(soften(np.stack([picture.pixels for picture in pictures])))
        name = f"{number:03d}.mp4"
        audio = torch.from_numpy(script.audio)
        write_clip(folder / name, frames, audio, fps=FPS, sample_rate=SAMPLE_RATE)
        lines.append(
            {
                "video": name,
                "video_caption": video_caption(script.attributes),
                "audio_caption": AUDIO_CAPTION,
                "transcript": " ".join(script.words),
            }
        )
        if progress is not None:
            progress(number + 1, clips)
    path = folder / "clips.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path
