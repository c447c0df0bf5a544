"""Three bundled characters with their voices, to start from without any file of one's own.

Held-out clips of `jova data make-mini`: drawn by this project's renderer, spoken by espeak-ng at
the time; never trained on, free to use. Pictures are lossless WebP, sound is FLAC.
"""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import JoVAError
from ...media import read_audio_native
from ...prompt import Prompt

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A clip: frames uint8 `[F, 96, 96, 3]`, audio float `[N]`, rates, and its prompt."""

    frames: Tensor
    audio: Tensor
    fps: Fraction
    sample_rate: int
    prompt: Prompt
    mouth: tuple[int, int, int, int]  # px (x0, y0, x1, y1), around the mouth of all frames

    def mouth_mask(self) -> Tensor:
        """Float `[F, H, W]`, 1 around the mouth, else 0."""
        x0, y0, x1, y1 = self.mouth
        mask = torch.zeros(self.frames.shape[:3])
        mask[:, y0:y1, x0:x1] = 1
        return mask


def sample_names() -> tuple[str, ...]:
    """Names that `load_sample` takes."""
    return tuple(_about()["characters"])


def load_sample(name: str) -> Sample:
    """Read a bundled clip. Raises JoVAError for an unknown name."""
    from PIL import Image, ImageSequence

    about = _about()
    if name not in about["characters"]:
        raise JoVAError(f"There is no character {name!r}; choose {', '.join(sample_names())}.")
    with Image.open(_FOLDER / f"{name}.webp") as image:
        pictures = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    captions = dict(about["characters"][name])
    mouth = tuple(captions.pop("mouth"))
    audio, rate = read_audio_native(_FOLDER / f"{name}.flac")
    return Sample(
        frames=torch.from_numpy(np.stack(pictures)),
        audio=audio[0],
        fps=Fraction(about["fps"]),
        sample_rate=rate,
        prompt=Prompt(**captions),
        mouth=mouth,
    )


def _about() -> dict[str, Any]:
    return json.loads((_FOLDER / "samples.json").read_text(encoding="utf-8"))
