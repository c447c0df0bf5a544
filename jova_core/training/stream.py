"""Training data that are made while they are trained on: worker processes read clips.

A worker also draws for each clip some takes (a prompt in part, a task and its masks), as that
would take longer for a batch than a step does on a GPU; the codecs run on the device that trains,
and everything stays there. Times and noise are new in every batch.
Legend: C channels, T latent frames, h w latent rows and columns, L audio latents, S text tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..codecs import Codecs, TextEncoder
from ..config import JoVAConfig
from ..errors import JoVAError
from ..flow.path import timestep_quantile
from ..latents import AVLatents
from ..processes import killed_workers_named, start_pool
from ..timeline import Timeline
from .batch import Batch, Kind, Take, make_takes, of_kind
from .data import CPU, Bucket, LatentSet
from .encode import MouthRules, encode_audio, encode_clip
from .sample import Draw, draw, stream_seed
from .settings import TrainSettings
from .shards import TrainingClip
from .source import ClipSource, RejectedError, SourceClip

# Groups that wait in each worker's queue, so that none is idle between two steps.
AHEAD = 2
# Takes of a clip, of its voice and of its first picture.
TAKES: dict[Kind, int] = {"clips": 5, "voices": 3, "pictures": 3}


class StreamSource(ClipSource, Protocol):
    """A source without an end. A clip without frames is a voice alone."""

    def groups(self, first: int) -> Iterator[Sequence[Any]]:
        """Entries from the one with the number `first` on, in groups that are best read at once."""
        ...


@dataclass(frozen=True, kw_only=True)
class StreamRules:
    """How a stream is made; `least` clips are waited for, beyond `most` the oldest goes."""

    workers: int = 2
    least: int = 64
    most: int = 20_000
    mirrored: bool = False  # every clip is there a second time, left and right exchanged

    def __post_init__(self) -> None:
        if self.workers < 1 or not 1 <= self.least <= self.most:
            raise JoVAError(
                f"Got {self.workers} workers, {self.least} clips to begin with and {self.most} at "
                "most; give at least 1 of each, and no more to begin with than at most."
            )


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
        settings: TrainSettings,
        encoders: tuple[TextEncoder, ...],
        *,
        rules: StreamRules | None = None,
        device: torch.device = CPU,
    ) -> None:
        self.codecs = load_codecs()
        if not self.codecs.stats.match(config):
            raise JoVAError(
                "The codecs that encode the stream are not this checkpoint's: their latent "
                "statistics differ; give the --codecs that it was begun with."
            )
        for codec in (self.codecs.video, self.codecs.audio):
            codec.to(device)
        self.buckets, self.spoken, self.config, self.source = [], [], config, source
        self.digest = f"stream of {type(source).__name__}"
        self.rules, self.device = rules or StreamRules(), device
        self.taken = 0
        self._coming: set[Future[list[_Made]]] = set()
        self._groups: Iterator[Sequence[Any]] | None = None
        about = (source, config, settings, encoders)
        self._pool = start_pool(self.rules.workers, _start_worker, about)

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

    def _takes(
        self,
        kind: Kind,
        clips: Bucket,
        numbers: Sequence[int],
        settings: TrainSettings,
        encoders: tuple[TextEncoder, ...],  # noqa: ARG002  the workers have encoded
    ) -> list[Take]:
        """One of each clip's, at a new time."""
        seed = stream_seed(settings.seed, numbers[0], "takes")
        generator = torch.Generator("cpu").manual_seed(seed)
        shift = settings.shift if kind == "clips" else settings.alone_shift or settings.shift
        uniform = torch.rand(3, len(numbers), generator=generator)
        sigma = timestep_quantile(uniform[:2], settings.timestep_sampling, shift=shift).tolist()
        takes = []
        for made, luck, *times in zip(clips.takes, uniform[2].tolist(), *sigma, strict=True):
            take = made[kind][int(luck * len(made[kind]))]
            takes.append(replace(take, draw=_at(take.draw, *times)))
        return takes

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
            for clip in made:
                self._receive(clip)
                self.taken += 1
        for kept in (self.buckets, self.spoken):
            while sum(len(bucket.clips) for bucket in kept) > self.rules.most:
                _drop_oldest(kept)

    def _receive(self, made: "_Made") -> None:
        """One clip to the device, encoded there, and its mirror image where the rules say so."""
        parts = {name: torch.from_numpy(part).to(self.device) for name, part in made.parts.items()}
        takes = {kind: self._received(sent) for kind, sent in made.takes.items()}
        if not len(parts["frames"]):
            audio = encode_audio(parts["audio"], self.codecs)
            self.add_voice(made.info, audio, sounds=parts.get("sounds"), takes=takes)
            return
        for mirrored in (False, True)[: 1 + self.rules.mirrored]:
            clip = SourceClip(
                frames=parts["frames"].flip(2) if mirrored else parts["frames"],
                audio=parts["audio"],
                prompt=made.info.prompt,
                mouth=parts["mouth"].flip(2) if mirrored else parts["mouth"],
                disguised=parts.get("disguised"),
                sounds=parts.get("sounds"),
            )
            encoded, _ = encode_clip(clip, self.config, self.codecs, None, MouthRules())
            raw = AVLatents(video=encoded["video"], audio=encoded["audio"])
            if mirrored:
                takes = {kind: list(map(_mirrored, same)) for kind, same in takes.items()}
            more = {name: encoded.get(name) for name in ("disguised", "sounds")}
            self.add(made.info, raw, encoded["mouth"], **more, takes=takes)

    def _received(self, sent: "_Sent") -> list[Take]:
        texts = [torch.from_numpy(t).to(self.device).view(torch.bfloat16) for t in sent.texts]
        given = [torch.from_numpy(mask).to(self.device).bool() for mask in sent.given]
        return [
            Take(
                draw=Draw(**about, luck=torch.zeros(4)),
                text=tuple(text[k] for text in texts),
                given=tuple(mask[k] for mask in given) or None,
            )
            for k, about in enumerate(sent.draws)
        ]


def _drop_oldest(buckets: list[Bucket]) -> None:
    """From the largest bucket, so that none becomes empty."""
    bucket = max(buckets, key=lambda bucket: len(bucket.clips))
    for stored in vars(bucket).values():
        del stored[0]


def _at(sample: Draw, video: float, other: float) -> Draw:
    """A draw at a new time; `other` is that of the audio where it has a time of its own."""
    independent = 0 < sample.sigma_video != sample.sigma_audio > 0
    audio = other if independent else video
    return replace(
        sample,
        sigma_video=video if sample.sigma_video else 0.0,
        sigma_audio=audio if sample.sigma_audio else 0.0,
    )


def _mirrored(take: Take) -> Take:
    return replace(take, given=take.given and (take.given[0].flip(2), take.given[1]))


@dataclass(frozen=True, kw_only=True)
class _Sent:
    """Takes of a kind, stacked: numpy arrays, which pickle without files, bf16 as bits of int16."""

    draws: list[dict[str, Any]]
    texts: list[np.ndarray]  # [K, S, width]
    given: list[np.ndarray]  # [K, T, h, w] and [K, L]


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A clip as a worker sends it."""

    info: TrainingClip
    parts: dict[str, np.ndarray]
    takes: dict[Kind, _Sent]


_worker: dict[str, Any] = {}


def _start_worker(
    source: ClipSource,
    config: JoVAConfig,
    settings: TrainSettings,
    encoders: tuple[TextEncoder, ...],
) -> None:
    torch.set_num_threads(1)
    _worker.update(source=source, config=config, settings=settings, encoders=encoders)


def _make(entries: Sequence[Any]) -> list[_Made]:
    """The clips of a group.

    A clip that cannot be trained on is left out; JoVAError where none is left, with the reason.
    """
    source, made = _worker["source"], []
    reason: Exception | None = None
    for entry in entries:
        try:
            clip = source.read(entry, _worker["config"])
        except RejectedError as error:
            reason = error
            continue
        key = source.key(entry)
        info = TrainingClip(id=key, frames=len(clip.frames), **vars(clip.prompt))
        tensors = {name: part for name, part in vars(clip).items() if isinstance(part, Tensor)}
        parts = {name: part.numpy() for name, part in tensors.items()}
        kinds = [kind for kind in TAKES if _is_for(kind, clip)]
        takes = {kind: _takes_of(kind, clip, int(key, 16) >> 8) for kind in kinds}
        made.append(_Made(info=info, parts=parts, takes=takes))
    if not made:
        raise JoVAError(f"No clip of a group can be trained on: {reason}.")
    return made


def _is_for(kind: Kind, clip: SourceClip) -> bool:
    """Whether a clip trains a kind of step: single pictures no joint ones, voices only voices."""
    frames = len(clip.frames)
    return frames > 0 if kind == "pictures" else frames > 1 or (kind == "voices" and not frames)


def _takes_of(kind: Kind, clip: SourceClip, number: int) -> _Sent:
    config, settings = _worker["config"], _worker["settings"]
    count = TAKES[kind]
    draws = [of_kind(kind, draw(settings, number + k), settings) for k in range(count)]
    takes = make_takes(
        kind,
        draws,
        [clip.prompt] * count,
        [clip.mouth] * count,
        audio_latents=Timeline.of(config).audio_latents(max(1, len(clip.frames))),
        config=config,
        encoders=_worker["encoders"],
    )
    texts = zip(*(take.text for take in takes), strict=True)
    given = zip(*(take.given or () for take in takes), strict=True)
    return _Sent(
        draws=[{k: v for k, v in vars(d).items() if k != "luck"} for d in draws],
        texts=[torch.stack(text).bfloat16().view(torch.int16).numpy() for text in texts],
        given=[torch.stack(mask).numpy() for mask in given],
    )
