"""What the codecs learn from: rendered films on disk, and speech where there is more of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn

from ...media.pixels import to_video
from ..data.dataset import load_dataset
from ..data.people_films import INDEX, read_films
from ..voices.cache import read_speech

# The mouth is one pixel in a hundred and what people look at.
MOUTH_WEIGHT = 10.0


@dataclass(frozen=True, kw_only=True)
class CodecClips:
    """Films to learn from and to measure on, safetensors of frames, audio and mouth_box.

    speech: folder and keys of utterances to learn sound from; without any, the films' sound.
    """

    train: tuple[Path, ...]
    heldout: tuple[Path, ...]
    voices: Path | None = None
    speech: tuple[str, ...] = ()

    def video_crop(self, rng: np.random.Generator, size: int, frames: int) -> tuple[Tensor, Tensor]:
        """A crop `[3, frames, size, size]` in [-1, 1], half on the mouth, and its weights."""
        return _video_crop(self._film(rng), rng, size, frames)

    def wave(self, rng: np.random.Generator, size: int) -> Tensor:
        """A piece `[size]` of somebody's voice at a random place and level."""
        if self.speech and self.voices is not None:
            key = self.speech[rng.integers(len(self.speech))]
            stored = torch.from_numpy(read_speech(self.voices, key).samples)
        else:
            with safe_open(self._film(rng), framework="pt") as file:
                stored = file.get_tensor("audio")
        start = int(rng.integers(max(1, stored.shape[0] - size + 1)))
        wave = stored[start : start + size]
        # What is shorter begins anywhere, or the codec would learn silence at the ends only.
        before = int(rng.integers(size - wave.shape[0] + 1))
        wave = nn.functional.pad(wave, (before, size - wave.shape[0] - before))
        return wave * float(rng.uniform(0.5, 1.1))

    def _film(self, rng: np.random.Generator) -> Path:
        return self.train[rng.integers(len(self.train))]


def open_clips(root: Path | str) -> CodecClips:
    """The clips of a folder that `jova data make-mini` or `jova train-codecs --people` rendered."""
    root = Path(root)
    if (root / INDEX).is_file():
        films = read_films(root)
        return CodecClips(
            train=tuple(root / name for name in films.train),
            heldout=tuple(root / name for name in films.heldout),
            voices=films.voices,
            speech=films.speech,
        )
    dataset = load_dataset(root)
    paths: dict[str, list[Path]] = {"train": [], "heldout": []}
    for clip in dataset.clips:
        paths.get(clip.split, []).append(dataset.root / "clips" / f"{clip.id}.safetensors")
    return CodecClips(train=tuple(paths["train"]), heldout=tuple(paths["heldout"]))


def mouth_mask(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return bool `[F, H, W]`: the pixels touched by each frame's box `[F, 4]` (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = boxes[:, :, None, None].unbind(1)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None, :]
    inside_x = (columns + 1 > x0) & (columns < x1)
    return inside_x & (rows + 1 > y0) & (rows < y1)


def _video_crop(
    path: Path, rng: np.random.Generator, size: int, frames: int
) -> tuple[Tensor, Tensor]:
    with safe_open(path, framework="pt") as file:
        stored = file.get_slice("frames")
        count, height, width, _ = stored.get_shape()
        start = int(rng.integers(count - frames + 1))
        box = file.get_slice("mouth_box")[start : start + frames]
        top, left = (int(rng.integers(side - size + 1)) for side in (height, width))
        if rng.random() < 0.5:
            x0, y0, x1, y1 = box.mean(0).tolist()
            jitter = rng.integers(-size // 4, size // 4 + 1, size=2)
            top = int(np.clip((y0 + y1 - size) / 2 + jitter[0], 0, height - size))
            left = int(np.clip((x0 + x1 - size) / 2 + jitter[1], 0, width - size))
        pixels = stored[start : start + frames, top : top + size, left : left + size]
    mouth = mouth_mask(box - torch.tensor([left, top, left, top]), size, size)
    video, weight = to_video(pixels)[0], 1 + (MOUTH_WEIGHT - 1) * mouth[None].float()
    if rng.random() < 0.5:
        video, weight = video.flip(-1), weight.flip(-1)
    return video.contiguous(), weight.contiguous()
