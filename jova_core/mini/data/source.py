"""The rendered data set as clips to encode."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ...config import JoVAConfig
from ...prompt import Prompt
from ...training.source import SourceClip
from .dataset import ClipInfo, Dataset, clip_path, load_clip


@dataclass(frozen=True)
class RenderedSource:
    """The training clips of a data set that `jova data make-mini` rendered."""

    dataset: Dataset

    def entries(self) -> Sequence[ClipInfo]:
        """Clips of the training split, in order."""
        return [clip for clip in self.dataset.clips if clip.split == "train"]

    def key(self, entry: ClipInfo) -> str:
        """Changes with the seed of the data set and what the index says of the clip."""
        return hashlib.sha256(f"{self.dataset.seed} {entry}".encode()).hexdigest()[:16]

    def name(self, entry: ClipInfo) -> str:
        """The path of its tensors."""
        return str(clip_path(self.dataset.root, entry.id))

    def needs_mouths(self) -> bool:
        """Mouths are found by the detector, as in clips of real people."""
        return True

    def read(self, entry: ClipInfo, _config: JoVAConfig) -> SourceClip:
        """The clip as it was rendered."""
        clip = load_clip(self.dataset, entry)
        prompt = Prompt(
            video_caption=entry.video_caption,
            audio_caption=entry.audio_caption,
            transcript=entry.transcript,
        )
        return SourceClip(frames=clip["frames"], audio=clip["audio"], prompt=prompt)
