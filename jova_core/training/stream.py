"""Training data that are made while they are trained on: worker processes read and encode clips.

Legend: C channels, T latent frames, h w latent rows and columns, L audio latents.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..codecs import Codecs, TextEncoder
from ..config import JoVAConfig
from ..errors import JoVAError
from ..latents import AVLatents
from ..processes import killed_workers_named, start_pool
from .data import CPU, Batch, LatentSet
from .encode import MouthRules, encode_clip
from .settings import TrainSettings
from .shards import TrainingClip
from .source import ClipSource, RejectedError

# Groups that wait in each worker's queue, so that none is idle between two steps.
AHEAD = 2


class StreamSource(ClipSource, Protocol):
    """A source without an end."""

    def groups(self, first: int) -> Iterator[Sequence[Any]]:
        """Entries from the one with the number `first` on, in groups that are best read at once."""
        ...


@dataclass(frozen=True, kw_only=True)
class StreamRules:
    """How a stream is made; `least` clips are waited for, beyond `most` the oldest goes."""

    workers: int = 2
    least: int = 64
    most: int = 20_000

    def __post_init__(self) -> None:
        if self.workers < 1 or not 1 <= self.least <= self.most:
            raise JoVAError(
                f"Got {self.workers} workers, {self.least} clips to begin with and {self.most} at "
                "most; give at least 1 of each, and no more to begin with than at most."
            )


_Sent = tuple[TrainingClip, dict[str, np.ndarray]]


class ClipStream(LatentSet):
    """A growing set of clips; a context manager, whose end stops the workers.

    What a batch holds depends on how fast clips come, so such a run cannot be repeated exactly.
    After a resume it goes on with clips that were not seen before.
    """

    def __init__(
        self,
        source: StreamSource,
        config: JoVAConfig,
        load_codecs: Callable[[], Codecs],
        rules: StreamRules | None = None,
    ) -> None:
        if not load_codecs().stats.match(config):
            raise JoVAError(
                "The codecs that encode the stream are not this checkpoint's: their latent "
                "statistics differ; give the --codecs that it was begun with."
            )
        self.buckets, self.config, self.source = [], config, source
        self.digest = f"stream of {type(source).__name__}"
        self.rules = rules or StreamRules()
        self.taken = 0
        self._coming: set[Future[list[_Sent]]] = set()
        self._groups: Iterator[Sequence[Any]] | None = None
        workers = self.rules.workers
        self._pool = start_pool(workers, _start_worker, (source, config, load_codecs))

    def __enter__(self) -> "ClipStream":
        """The stream itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop after the groups that are being made."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def batch(
        self,
        first: int,
        settings: TrainSettings,
        encoders: tuple[TextEncoder, ...],
        dtype: torch.dtype,
        *,
        share: slice = slice(None),
        device: torch.device = CPU,
    ) -> Batch:
        """A batch of the clips that are there; the first one waits for enough of them."""
        if self._groups is None:
            self._groups = self.source.groups(first)
        self._take(block=False)
        while not self._enough(settings):
            self._take(block=True)
        return super().batch(first, settings, encoders, dtype, share=share, device=device)

    def _enough(self, settings: TrainSettings) -> bool:
        moving = settings.stills == 1 or any(b.video[0].shape[1] > 1 for b in self.buckets)
        return moving and self.taken >= self.rules.least

    def _take(self, *, block: bool) -> None:
        """Keep the workers busy and add what they have made. JoVAError: they make nothing."""
        while len(self._coming) < AHEAD * self.rules.workers:
            self._coming.add(self._pool.submit(_make, list(next(self._groups))))
        timeout = None if block else 0
        done, self._coming = wait(self._coming, timeout, return_when=FIRST_COMPLETED)
        for future in done:
            with killed_workers_named():
                made = future.result()
            for info, sent in made:
                parts = {name: _received(bits) for name, bits in sent.items() if name != "mouth"}
                raw = AVLatents(video=parts["video"], audio=parts["audio"])
                self.add(info, raw, torch.from_numpy(sent["mouth"]), parts.get("disguised"))
                self.taken += 1
        while sum(len(bucket.clips) for bucket in self.buckets) > self.rules.most:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """From the largest bucket, so that none becomes empty."""
        bucket = max(self.buckets, key=lambda bucket: len(bucket.clips))
        for stored in vars(bucket).values():
            del stored[0]


def _received(bits: np.ndarray) -> Tensor:
    return torch.from_numpy(bits).view(torch.bfloat16)


def _sent(part: Tensor) -> np.ndarray:
    return (part.view(torch.int16) if part.dtype == torch.bfloat16 else part).numpy()


_worker: dict[str, Any] = {}


def _start_worker(
    source: ClipSource, config: JoVAConfig, load_codecs: Callable[[], Codecs]
) -> None:
    torch.set_num_threads(1)
    _worker.update(source=source, config=config, codecs=load_codecs())


def _make(entries: Sequence[Any]) -> list[_Sent]:
    """The encoded clips of a group; bf16 travels as the bits of int16, which pickles without files.

    A clip that cannot be trained on is left out; JoVAError where none is left, with the reason.
    """
    source, config, made = _worker["source"], _worker["config"], []
    reason: Exception | None = None
    for entry in entries:
        try:
            clip = source.read(entry, config)
            encoded, _ = encode_clip(clip, config, _worker["codecs"], None, MouthRules())
        except RejectedError as error:
            reason = error
            continue
        info = TrainingClip(id=source.key(entry), frames=len(clip.frames), **vars(clip.prompt))
        made.append((info, {name: _sent(part) for name, part in encoded.items()}))
    if not made:
        raise JoVAError(f"No clip of a group can be trained on: {reason}.")
    return made
