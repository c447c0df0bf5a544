"""Print what the Python Timeline says, one JSON object per line, for js/lib/timeline.js to repeat.

The first line holds the bundled mini's rates as `/jova/rates` gives them, each other line a case.
"""

import json
import random
import sys
from fractions import Fraction

from jova_core.errors import JoVAError
from jova_core.presets import PRESETS
from jova_core.timeline import Timeline

CASES = 1200
FPS = ["16", "24", "25", "30", "24000/1001", "30000/1001", "60", "25/2", "144"]
AUDIO = [(16_000, "125/4"), (44_100, "11025/256"), (48_000, "75/2"), (22_050, "21")]
RATIOS = [1, 3, 4, 8]


def rates(line):
    """The rates of a timeline, as JSON carries them."""
    return {
        "fps": str(line.fps),
        "sample_rate": line.sample_rate,
        "audio_rate": str(line.audio_rate),
        "temporal_ratio": line.temporal_ratio,
    }


def draw_seconds(rng, line):
    """A double: as typed, as dragged, on or beside a tie of two counts, tiny or huge."""
    middle = (Fraction(rng.randrange(200)) + Fraction(1, 2)) * line.temporal_ratio + 1
    tie = float(middle / line.fps)
    dragged = rng.uniform(0.01, 30)
    beside = tie * (1 + rng.choice([-1, 1]) * 2**-52)
    extreme = rng.choice([5e-324, 1e-300, 1e-9, 1e6, 123456789.123])
    return rng.choice([round(dragged, 2), round(dragged * 4) / 4 or 0.25, dragged, tie, beside,
                       10 ** rng.uniform(-6, 4), extreme])  # fmt: skip


def case(rng):
    """One timeline, a length in seconds and a frame count, with all that follows from them."""
    sample_rate, audio_rate = rng.choice(AUDIO)
    fps = rng.choice([*FPS, f"{rng.randrange(1, 999)}/{rng.randrange(1, 99)}"])
    line = Timeline(
        fps=Fraction(fps),
        sample_rate=sample_rate,
        audio_rate=Fraction(audio_rate),
        temporal_ratio=rng.choice(RATIOS),
    )
    seconds = draw_seconds(rng, line)
    counts = [line.legal_frames(seconds), rng.randrange(4000), rng.randrange(-9, 10)]
    frames = rng.choice(counts)
    try:
        video_latents = line.video_latents(frames)
    except JoVAError as error:
        video_latents = str(error)
    latents = rng.randrange(1, 1000)
    return {
        "rates": rates(line),
        "seconds": seconds,
        "legal_frames": line.legal_frames(seconds),
        "frames": frames,
        "is_legal": line.is_legal(frames),
        "video_latents": video_latents,
        "audio_latents": line.audio_latents(frames),
        "audio_samples": line.audio_samples(frames),
        "exact_seconds": str(line.seconds(frames)),
        "float_seconds": float(line.seconds(frames)),
        "latents": latents,
        "frames_of_latents": line.frames(latents),
    }


def main():
    """Write the mini's rates and the cases."""
    rng = random.Random(0)
    line = Timeline.of(PRESETS["mini"])
    mini = rates(line) | {"max_seconds": line.max_seconds}
    for value in [{"mini": mini}, *(case(rng) for _ in range(CASES))]:
        sys.stdout.write(json.dumps(value) + "\n")


main()
