"""A data set as latents in memory: encoded once by the codecs, sampled by step number.

Legend: B batch, C channels, T latent frames, h w latent rows and columns, L audio latents.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from ..codecs import TextEncoder
from ..config import JoVAConfig
from ..errors import JoVAError
from ..latents import AVLatents, normalise
from ..mouth.area import face_area
from .alignment import Heard, check_alignment, heard_sounds
from .batch import Batch, Kind, Take, assemble, make_takes, of_kind
from .places import cells_of, choose_places
from .sample import Draw, draw, draw_noise, stream_seed
from .settings import TrainSettings
from .shards import Encoded, TrainingClip

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Training clips of one length, each with normalised latents in bf16 and its mouth mask."""

    clips: list[TrainingClip] = field(default_factory=list)
    video: list[Tensor] = field(default_factory=list)  # [C, T, h, w]
    audio: list[Tensor] = field(default_factory=list)  # [C_a, L]
    mouth: list[Tensor] = field(default_factory=list)  # uint8 [T, h, w]
    face: list[Tensor] = field(default_factory=list)  # uint8 [1, h, w], in the first picture
    disguised: list[Tensor | None] = field(default_factory=list)  # [C_a, L], where there is one
    sounds: list[Tensor | None] = field(default_factory=list)  # [L]: `heard_sounds`, where known
    # Made beforehand, by what they are for; an encoded data set makes them with each batch.
    takes: list[dict[Kind, list[Take]]] = field(default_factory=list)

    def of(self, rows: Iterable[int]) -> "Bucket":
        """The clips in these rows."""
        numbers = [int(row) for row in rows]
        return Bucket(**{name: [kept[n] for n in numbers] for name, kept in vars(self).items()})

    def add(
        self,
        info: TrainingClip,
        latents: AVLatents,
        mouth: Tensor,
        face: Tensor,
        disguised: Tensor | None = None,
        *,
        sounds: Tensor | None = None,
        takes: dict[Kind, list[Take]],
    ) -> None:
        """One more clip, its latents `[C, T, h, w]` and `[C_a, L]`."""
        row = (info, latents.video, latents.audio, mouth, face, disguised, sounds, takes)
        for kept, part in zip(vars(self).values(), row, strict=True):
            kept.append(part)


class LatentSet:
    """Training clips by length; the same request gives the same batch."""

    def __init__(self, encoded: Encoded, config: JoVAConfig) -> None:
        if not encoded.stats.match(config):
            raise JoVAError(
                "The clips were encoded with other codecs than this checkpoint's; run "
                "`jova data encode` again with the codecs of this checkpoint."
            )
        self.buckets: list[Bucket] = []
        self.spoken: list[Bucket] = []  # voices without pictures
        self.config = config
        for info in encoded.clips:
            audio = encoded.latents[f"{info.id}.audio"]
            more = {"sounds": encoded.latents.get(f"{info.id}.sounds")}
            if not info.frames:
                self.add_voice(info, audio, **more)
                continue
            raw = AVLatents(video=encoded.latents[f"{info.id}.video"], audio=audio)
            more["disguised"] = encoded.latents.get(f"{info.id}.disguised")
            self.add(info, raw, encoded.masks[info.id], **more)
        self.digest = _digest(encoded.clips, [*self.buckets, *self.spoken])

    def add(
        self,
        info: TrainingClip,
        raw: AVLatents,
        mouth: Tensor,
        *,
        disguised: Tensor | None = None,
        sounds: Tensor | None = None,
        takes: dict[Kind, list[Take]] | None = None,
    ) -> None:
        """Take one more clip, raw latents `[C, T, h, w]` and `[C_a, L]` and mask `[T, h, w]`.

        disguised: `[C_a, L]`, the same speech in another voice and room; sounds: see `SourceClip`.
        """
        scaled = self._normalised(raw)
        lengths = [bucket.clips[0].frames for bucket in self.buckets]
        place = bisect_left(lengths, info.frames)
        if place == len(lengths) or lengths[place] != info.frames:
            self.buckets.insert(place, Bucket())
        other = None if disguised is None else self._normalised(AVLatents(audio=disguised)).audio
        face = face_area(mouth[:1])
        more = {"sounds": self._heard(sounds, raw.audio), "takes": takes or {}}
        self.buckets[place].add(info, scaled, mouth, face, other, **more)

    def add_voice(
        self,
        info: TrainingClip,
        audio: Tensor,
        *,
        sounds: Tensor | None = None,
        takes: dict[Kind, list[Take]] | None = None,
    ) -> None:
        """Take one more voice without pictures, raw latents `[C_a, L]`."""
        scaled = self._normalised(AVLatents(audio=audio)).audio
        same = [b for b in self.spoken if b.audio[0].shape == scaled.shape]
        if not same:
            same = [Bucket()]
            self.spoken += same
        nothing = torch.zeros(1, 1, 1, device=audio.device)
        video = nothing.bfloat16().expand(self.config.video.channels, 1, 1, 1)
        latents, none = AVLatents(video=video, audio=scaled), nothing.byte()
        more = {"sounds": self._heard(sounds, audio), "takes": takes or {}}
        same[0].add(info, latents, none, none, **more)

    def _heard(self, sounds: Tensor | None, audio: Tensor) -> Tensor | None:
        """The sound that each latent of `[C_a, L]` speaks, where the times of sounds are known."""
        if sounds is None:
            return None
        return heard_sounds(sounds, audio.shape[1], float(self.config.audio.latent_rate))

    def _normalised(self, raw: AVLatents) -> AVLatents:
        """Raw latents of one clip, as the network sees them, in bf16."""
        scaled = normalise(self.config, raw.map(lambda x: x[None].float()))
        return scaled.map(lambda x: x[0].bfloat16())

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
        """The batch whose first sample has the global number `first`, or a share of its samples.

        It is put together on `device`.
        """
        kind, clips, numbers = self._pick(first, settings, share)
        takes = self._takes(kind, clips, numbers, settings, encoders)
        clean = _clean(clips, [take.draw for take in takes]).map(lambda x: x.to(device).float())
        drawn = partial(draw_noise, settings.seed, numbers, device=device)
        noise = AVLatents(
            video=drawn(clean.video.shape[1:], "video"), audio=drawn(clean.audio.shape[1:], "audio")
        )
        mouth = torch.stack(clips.mouth).to(device).float()
        about = {"config": self.config, "settings": settings, "dtype": dtype}
        batch = assemble(kind, takes, clean, noise, mouth, **about)
        if kind == "clips" and settings.places < 1:
            batch = self._on_places(batch, first, settings)
        if kind != "pictures" and settings.alignment_weight:
            mouth = batch.mouth if kind == "clips" else None
            batch = replace(batch, heard=self._heard_in(clips, takes, device, mouth))
        return batch

    def _heard_in(
        self, clips: Bucket, takes: Sequence[Take], device: torch.device, mouth: Tensor | None
    ) -> Heard:
        """The sounds of a batch; none in samples whose transcript is left out.

        JoVAError where no clip tells the times of its sounds.
        """
        check_alignment(self.config)
        if not any(known is not None for b in (*self.buckets, *self.spoken) for known in b.sounds):
            raise JoVAError(
                "No clip of the data tells when the sounds of its transcript are spoken; leave "
                "--alignment-weight at 0, or encode people with `jova data encode` again."
            )
        none = torch.full(clips.audio[0].shape[1:], -1, dtype=torch.short)
        sounds = [
            none if heard is None or "transcript" not in take.draw.keep else heard
            for heard, take in zip(clips.sounds, takes, strict=True)
        ]
        return Heard.of(torch.stack(sounds).to(device), self.config, mouth)

    def _takes(
        self,
        kind: Kind,
        clips: Bucket,
        numbers: Sequence[int],
        settings: TrainSettings,
        encoders: tuple[TextEncoder, ...],
    ) -> list[Take]:
        """Those of the samples with these global numbers."""
        return make_takes(
            kind,
            [of_kind(kind, draw(settings, number), settings) for number in numbers],
            [clip.prompt for clip in clips.clips],
            clips.mouth,
            audio_latents=clips.audio[0].shape[-1],
            config=self.config,
            encoders=encoders,
        )

    def _on_places(self, batch: Batch, first: int, settings: TrainSettings) -> Batch:
        """The batch with some places of its pictures, the others count nothing."""
        generator = torch.Generator("cpu").manual_seed(stream_seed(settings.seed, first, "places"))
        patch = self.config.patch
        places = choose_places(batch.mouth, patch, settings.places, generator)
        cells = cells_of(places, patch, tuple(batch.mouth.shape[3:]))
        return replace(batch, places=places, made_video=batch.made_video * cells)

    def _pick(
        self, first: int, settings: TrainSettings, share: slice
    ) -> tuple[Kind, Bucket, list[int]]:
        """The kind of a batch, its clips or a share of them, and the global numbers of its samples.

        They are of one length, chosen by the number and the training speed of such clips; a step
        of single pictures takes the first ones of clips of any length.
        """
        generator = torch.Generator("cpu").manual_seed(stream_seed(settings.seed, first, "order"))
        moving = [bucket for bucket in self.buckets if bucket.video[0].shape[1] > 1]
        if not moving and not self._alone(settings):
            raise JoVAError(
                "The data hold no clips with pictures and sound; encode some, or train with "
                "--stills 1 on single pictures or --audio-alone 1 on voices."
            )
        sizes = torch.tensor([len(b.clips) / b.video[0].shape[1] for b in moving] or [1.0])
        chosen = int(torch.multinomial(sizes, 1, generator=generator))
        bucket = moving[chosen] if moving else (self.buckets or self.spoken)[0]
        rows = torch.randint(len(bucket.clips), (settings.batch,), generator=generator)
        luck = float(torch.rand(1, generator=generator))
        if luck >= settings.audio_alone + settings.stills:
            return (
                "clips",
                bucket.of(rows[share]),
                list(range(first, first + settings.batch)[share]),
            )
        times = settings.alone_times
        places = [times * n + k for n in range(settings.batch)[share] for k in range(times)]
        numbers = [times * first + place for place in places]
        count = times * settings.batch
        if luck >= settings.audio_alone:
            return "pictures", self._pictures(count, settings, generator).of(places), numbers
        if self.spoken:
            sizes = torch.tensor([float(len(b.clips)) for b in self.spoken])
            bucket = self.spoken[int(torch.multinomial(sizes, 1, generator=generator))]
        if self.spoken or times > 1:
            rows = torch.randint(len(bucket.clips), (count,), generator=generator)
        return "voices", _voices(bucket.of(rows[places])), numbers

    def _alone(self, settings: TrainSettings) -> bool:
        """Whether every step is of single pictures or of voices, and there are such."""
        pictures = settings.stills if self.buckets else 0.0
        return pictures + (settings.audio_alone if self.spoken else 0.0) >= 1

    def _pictures(self, count: int, settings: TrainSettings, generator: torch.Generator) -> Bucket:
        """The first pictures of `count` clips of any length; all get the shortest audio."""
        ends = torch.tensor([len(bucket.clips) for bucket in self.buckets]).cumsum(0)
        picked = Bucket()
        for number in torch.randint(int(ends[-1]), (count,), generator=generator):
            which = int(torch.searchsorted(ends, number, right=True))
            bucket = self.buckets[which]
            row = int(number - ends[which])
            audio = self.buckets[0].audio[0]  # of no use, but of one length
            latents = AVLatents(video=bucket.video[row][:, :1], audio=audio)
            face = bucket.face[row]
            area = face if settings.pictures_area == "face" else bucket.mouth[row][:1]
            picked.add(bucket.clips[row], latents, area, face, takes=bucket.takes[row])
        return picked


def _digest(clips: tuple[TrainingClip, ...], buckets: Sequence[Bucket]) -> str:
    """What a run was trained on, for its fingerprint: every caption, and sums of the latents."""
    sums = [
        float(torch.stack(b.video).double().sum() + torch.stack(b.audio).double().sum())
        for b in buckets
    ]
    return hashlib.sha256(repr((clips, sums)).encode()).hexdigest()[:12]


def _voices(clips: Bucket) -> Bucket:
    """The clips with a single cell of their pictures, as these are of no use."""
    video = [latent[:, :, :1, :1] for latent in clips.video]
    return replace(clips, video=video, mouth=[mask[:, :1, :1] for mask in clips.mouth])


def _clean(clips: Bucket, draws: list[Draw]) -> AVLatents:
    """The latents of a batch's clips, their audio in disguise where that is drawn and there."""
    audio = [
        other if sample.disguised and other is not None else own
        for own, other, sample in zip(clips.audio, clips.disguised, draws, strict=True)
    ]
    return AVLatents(video=torch.stack(clips.video), audio=torch.stack(audio))
