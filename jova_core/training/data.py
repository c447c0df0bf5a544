"""A data set as latents in memory: encoded once by the codecs, sampled by step number.

Legend: B batch, C channels, T latent frames, h w latent rows and columns, L audio latents.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from ..codecs import TextEncoder
from ..config import JoVAConfig
from ..errors import JoVAError
from ..flow.path import interpolate, velocity_target
from ..latents import AVLatents, Conditioning, normalise
from ..prompt import Prompt
from ..timeline import Timeline
from .places import Places, cells_of, choose_places
from .sample import Draw, draw, draw_noise, stream_seed
from .settings import Tasks, TrainSettings
from .shards import Encoded, TrainingClip
from .tasks import given_masks

# What a batch trains: films with sound, voices without pictures, or single pictures without sound.
Kind = Literal["clips", "voices", "pictures"]
CPU = torch.device("cpu")
# Lengths of text in steps of one stream: few, as each is compiled of its own.
_TEXT_STEP = 8


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Training clips of one length, each with normalised latents in bf16 and its mouth mask."""

    clips: list[TrainingClip] = field(default_factory=list)
    video: list[Tensor] = field(default_factory=list)  # [C, T, h, w]
    audio: list[Tensor] = field(default_factory=list)  # [C_a, L]
    mouth: list[Tensor] = field(default_factory=list)  # uint8 [T, h, w]
    disguised: list[Tensor | None] = field(default_factory=list)  # [C_a, L], where there is one

    def of(self, rows: Iterable[int]) -> "Bucket":
        """The clips in these rows."""
        numbers = [int(row) for row in rows]
        return Bucket(**{name: [kept[n] for n in numbers] for name, kept in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One training batch: all input of the network and the loss, in the compute dtype.

    Without video in a step of audio alone, without audio in one of single pictures; the sigma of
    that stream is then 0.
    """

    x: AVLatents
    target: AVLatents
    conditioning: Conditioning
    t_video: Tensor  # 1000·σ, [B, T], 0 for given latents
    t_audio: Tensor  # [B], or [B, tokens] where some samples have given and made audio
    made_video: Tensor  # [B, 1, T, h, w], 1 for latents to generate, 0 for given ones
    made_audio: Tensor  # [B, 1, L]
    mouth: Tensor  # [B, 1, T, h, w]
    sigma_video: Tensor  # [B], for the log
    sigma_audio: Tensor
    places: Places | None = None  # where a part of the pictures counts


class LatentSet:
    """Training clips by length; the same request gives the same batch."""

    def __init__(self, encoded: Encoded, config: JoVAConfig) -> None:
        if not encoded.stats.match(config):
            raise JoVAError(
                "The clips were encoded with other codecs than this checkpoint's; run "
                "`jova data encode` again with the codecs of this checkpoint."
            )
        self.buckets: list[Bucket] = []
        self.config = config
        for info in encoded.clips:
            video, audio = (encoded.latents[f"{info.id}.{s}"] for s in ("video", "audio"))
            raw = AVLatents(video=video, audio=audio)
            disguised = encoded.latents.get(f"{info.id}.disguised")
            self.add(info, raw, encoded.masks[info.id], disguised)
        self.digest = _digest(encoded.clips, self.buckets)

    def add(
        self, info: TrainingClip, raw: AVLatents, mouth: Tensor, disguised: Tensor | None = None
    ) -> None:
        """Take one more clip, raw latents `[C, T, h, w]` and `[C_a, L]` and mask `[T, h, w]`.

        disguised: `[C_a, L]`, the same speech in another voice and room.
        """
        scaled = self._normalised(raw)
        lengths = [bucket.clips[0].frames for bucket in self.buckets]
        place = bisect_left(lengths, info.frames)
        if place == len(lengths) or lengths[place] != info.frames:
            self.buckets.insert(place, Bucket())
        bucket = self.buckets[place]
        bucket.clips.append(info)
        bucket.video.append(scaled.video)
        bucket.audio.append(scaled.audio)
        bucket.mouth.append(mouth)
        other = None if disguised is None else self._normalised(AVLatents(audio=disguised)).audio
        bucket.disguised.append(other)

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
        kind, clips = self._pick(first, settings, share)
        indices = range(first, first + settings.batch)[share]
        draws = [_of_kind(kind, draw(settings, index)) for index in indices]
        prompts = [_prompt(clip, sample) for clip, sample in zip(clips.clips, draws, strict=True)]
        phonemes_only = [sample.phonemes_only for sample in draws]
        text = tuple(encoder.encode(prompts, phonemes_only=phonemes_only) for encoder in encoders)
        clean = _clean(clips, draws).map(lambda x: x.to(device).float())
        drawn = partial(draw_noise, settings.seed, indices, device=device)
        noise = AVLatents(
            video=drawn(clean.video.shape[1:], "video"), audio=drawn(clean.audio.shape[1:], "audio")
        )
        given = _given(self.config, draws, clips.mouth, clean.audio.shape[-1])
        batch = _assemble(
            self.config,
            settings.tasks,
            draws,
            clean=clean,
            noise=noise,
            given=tuple(mask.to(device) for mask in given),
            mouth=torch.stack(clips.mouth).to(device).float(),
            text=tuple(features.to(device, dtype) for features in text),
            dtype=dtype,
        )
        if kind == "clips" and settings.places < 1:
            batch = self._on_places(batch, first, settings)
        return _of_streams(kind, batch)

    def _on_places(self, batch: Batch, first: int, settings: TrainSettings) -> Batch:
        """The batch with some places of its pictures, the others count nothing."""
        generator = torch.Generator("cpu").manual_seed(stream_seed(settings.seed, first, "places"))
        patch = self.config.patch
        places = choose_places(batch.mouth, patch, settings.places, generator)
        cells = cells_of(places, patch, tuple(batch.mouth.shape[3:]))
        return replace(batch, places=places, made_video=batch.made_video * cells)

    def _pick(self, first: int, settings: TrainSettings, share: slice) -> tuple[Kind, Bucket]:
        """The kind of a batch, and its clips.

        They are of one length, chosen by the number and the training speed of such clips; a step
        of single pictures takes the first ones of clips of any length.
        """
        generator = torch.Generator("cpu").manual_seed(stream_seed(settings.seed, first, "order"))
        moving = [bucket for bucket in self.buckets if bucket.video[0].shape[1] > 1]
        if not moving and settings.stills < 1:
            raise JoVAError(
                "The data are single pictures only; encode clips too, or train with --stills 1."
            )
        sizes = torch.tensor([len(b.clips) / b.video[0].shape[1] for b in moving] or [1.0])
        chosen = int(torch.multinomial(sizes, 1, generator=generator))
        bucket = moving[chosen] if moving else self.buckets[0]
        rows = torch.randint(len(bucket.clips), (settings.batch,), generator=generator)
        kind = float(torch.rand(1, generator=generator))
        if kind < settings.audio_alone:
            return "voices", _voices(bucket.of(rows[share]))
        if kind < settings.audio_alone + settings.stills:
            pictures = self._pictures(settings.batch, generator)
            return "pictures", pictures.of(range(settings.batch)[share])
        return "clips", bucket.of(rows[share])

    def _pictures(self, count: int, generator: torch.Generator) -> Bucket:
        """The first pictures of `count` clips of any length; all get the shortest audio."""
        ends = torch.tensor([len(bucket.clips) for bucket in self.buckets]).cumsum(0)
        picked = Bucket()
        for number in torch.randint(int(ends[-1]), (count,), generator=generator):
            which = int(torch.searchsorted(ends, number, right=True))
            bucket = self.buckets[which]
            row = int(number - ends[which])
            picked.clips.append(bucket.clips[row])
            picked.video.append(bucket.video[row][:, :1])
            picked.audio.append(self.buckets[0].audio[0])  # of no use, but of one length
            picked.mouth.append(bucket.mouth[row][:1])
            picked.disguised.append(None)
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


def _of_kind(kind: Kind, sample: Draw) -> Draw:
    """The draw of a sample of clips, or of one that is made: a voice alone or a single picture.

    A picture is made from the words that say what is seen.
    """
    if kind == "clips":
        return sample
    made = replace(sample, task="text", image=False, disguised=False)
    sigma = max(sample.sigma_video, sample.sigma_audio)
    if kind == "voices":  # never given, or nothing would be learnt
        return replace(made, sigma_audio=sigma)
    kept = tuple(part for part in sample.keep if part == "video_caption")
    return replace(made, sigma_video=sigma, sigma_audio=0.0, keep=kept)


def _prompt(clip: TrainingClip, sample: Draw) -> Prompt:
    """A clip's prompt, reduced to the parts in `sample.keep`."""
    parts = {name: part for name, part in vars(clip.prompt).items() if name in sample.keep}
    return Prompt(**parts)


def _of_streams(kind: Kind, batch: Batch) -> Batch:
    """The batch without the stream that a step of its kind leaves out of the sequence.

    The text of such a step goes without its unused tokens, which would be half of the sequence.
    """
    if kind == "clips":
        return batch
    conditioning = replace(batch.conditioning, text=tuple(map(_used, batch.conditioning.text)))
    batch = replace(batch, conditioning=conditioning)
    if kind == "voices":
        return replace(
            batch,
            x=replace(batch.x, video=None),
            target=replace(batch.target, video=None),
            conditioning=replace(conditioning, image=None, image_mask=None),
            sigma_video=torch.zeros_like(batch.sigma_video),
        )
    return replace(batch, x=replace(batch.x, audio=None), target=replace(batch.target, audio=None))


def _used(text: Tensor) -> Tensor:
    """Features `[B, S, width]` up to the last token that is not 0 in every row.

    Rounded up to `_TEXT_STEP`.
    """
    used = text.any(dim=2).any(dim=0).nonzero()
    last = int(used[-1]) + 1 if len(used) else 1
    return text[:, : -(-last // _TEXT_STEP) * _TEXT_STEP]


def _assemble(
    config: JoVAConfig,
    tasks: Tasks,
    draws: list[Draw],
    *,
    clean: AVLatents,
    noise: AVLatents,
    given: tuple[Tensor, Tensor],
    mouth: Tensor,
    text: tuple[Tensor, ...],
    dtype: torch.dtype,
) -> Batch:
    given_video, given_audio = given
    sigma_video = torch.tensor([d.sigma_video for d in draws], device=mouth.device)
    sigma_audio = torch.tensor([d.sigma_audio for d in draws], device=mouth.device)
    # A frame with anything to make is noisy as a whole; audio is given or made token by token.
    per_frame = sigma_video[:, None] * (~given_video.flatten(2).all(2))
    per_latent = sigma_audio[:, None] * ~given_audio
    image_mask = given_video[:, None].float()
    if config.given_pictures == "first":
        image_mask[:, :, 1:] = 0
        image_mask[torch.tensor([not d.image for d in draws])] = 0
    conditioning = Conditioning(
        text=text,
        image=(clean.video * image_mask).to(dtype),
        image_mask=image_mask.to(dtype),
    )
    sigma = AVLatents(video=per_frame[:, None, :, None, None], audio=per_latent[:, None])
    return Batch(
        x=AVLatents(
            video=interpolate(clean.video, noise.video, sigma.video).to(dtype),
            audio=interpolate(clean.audio, noise.audio, sigma.audio).to(dtype),
        ),
        target=clean.zip(noise, lambda c, n: velocity_target(c, n).to(dtype)),
        conditioning=conditioning,
        t_video=1000 * per_frame,
        t_audio=1000 * (per_latent[:, :: config.audio_patch] if tasks.cut_audio else sigma_audio),
        made_video=((sigma.video > 0) & ~given_video[:, None]).float(),
        made_audio=(sigma.audio > 0).float(),
        mouth=mouth.unsqueeze(1),
        sigma_video=sigma_video,
        sigma_audio=sigma_audio,
    )


def _clean(clips: Bucket, draws: list[Draw]) -> AVLatents:
    """The latents of a batch's clips, their audio in disguise where that is drawn and there."""
    audio = [
        other if sample.disguised and other is not None else own
        for own, other, sample in zip(clips.audio, clips.disguised, draws, strict=True)
    ]
    return AVLatents(video=torch.stack(clips.video), audio=torch.stack(audio))


def _given(
    config: JoVAConfig, draws: list[Draw], mouths: list[Tensor], audio_latents: int
) -> tuple[Tensor, Tensor]:
    """Bool masks `[B, T, h, w]` and `[B, L]` of what each sample's task gives."""
    sizes = {"audio_latents": audio_latents, "audio_patch": config.audio_patch}
    sizes["line"] = Timeline.of(config)
    masks = [given_masks(d.task, d.luck, m, **sizes) for d, m in zip(draws, mouths, strict=True)]
    for sample, (video, _) in zip(draws, masks, strict=True):
        if sample.image:
            video[0] = True
    video, audio = zip(*masks, strict=True)
    return torch.stack(video), torch.stack(audio)
