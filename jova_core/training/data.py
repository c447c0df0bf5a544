"""A data set as latents in memory: encoded once by the codecs, sampled by step number.

Legend: B batch, C channels, T latent frames, h w latent rows and columns, L audio latents.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..codecs import TextEncoder
from ..config import JoVAConfig
from ..errors import JoVAError
from ..flow.path import interpolate, velocity_target
from ..latents import AVLatents, Conditioning, normalise
from ..prompt import Prompt
from .sample import Draw, draw, stream_seed
from .settings import TrainSettings
from .shards import Encoded, TrainingClip


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """All training clips of one length: normalised latents in bf16 and mouth masks."""

    clips: tuple[TrainingClip, ...]
    video: Tensor  # [n, C, T, h, w]
    audio: Tensor  # [n, C_a, L]
    mouth: Tensor  # uint8 [n, T, h, w]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One training batch: all input of the network and the loss, in the compute dtype.

    Without video in a step of audio alone; sigma_video is then 0.
    """

    x: AVLatents
    target: AVLatents
    conditioning: Conditioning
    t_video: Tensor  # 1000·σ, [B, T], 0 for given latents
    t_audio: Tensor  # [B]
    made_video: Tensor  # [B, 1, T, 1, 1], 1 for latents to generate, 0 for given ones
    made_audio: Tensor  # [B, 1, 1]
    mouth: Tensor  # [B, 1, T, h, w]
    sigma_video: Tensor  # [B], for the log
    sigma_audio: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return _to(self, device)


class LatentSet:
    """Training clips by length; the same request gives the same batch."""

    def __init__(self, encoded: Encoded, config: JoVAConfig) -> None:
        if not encoded.stats.match(config):
            raise JoVAError(
                "The clips were encoded with other codecs than this checkpoint's; run "
                "`jova data encode` again with the codecs of this checkpoint."
            )
        groups = defaultdict(list)
        for info in encoded.clips:
            groups[info.frames].append(info)
        self.buckets = [
            _load_bucket(tuple(groups[frames]), encoded, config) for frames in sorted(groups)
        ]
        self.digest = _digest(encoded.clips, self.buckets)

    def batch(
        self,
        first: int,
        settings: TrainSettings,
        encoders: tuple[TextEncoder, ...],
        dtype: torch.dtype,
        *,
        share: slice = slice(None),
    ) -> Batch:
        """The batch whose first sample has the global number `first`, or a share of its samples.

        Its clips are of one length, chosen by the number and the training speed of such clips.
        """
        generator = torch.Generator("cpu").manual_seed(stream_seed(settings.seed, first, "order"))
        sizes = torch.tensor([len(b.clips) / b.video.shape[2] for b in self.buckets])
        bucket = self.buckets[int(torch.multinomial(sizes, 1, generator=generator))]
        rows = torch.randint(len(bucket.clips), (settings.batch,), generator=generator)[share]
        alone = bool(torch.rand(1, generator=generator) < settings.audio_alone)
        draws = [
            draw(settings, first + i, bucket.video.shape[1:], bucket.audio.shape[1:])
            for i in range(settings.batch)[share]
        ]
        if alone:  # then the voice is never given, or nothing would be learnt
            draws = [replace(d, sigma_audio=max(d.sigma_audio, d.sigma_video)) for d in draws]
        prompts = [_prompt(bucket.clips[row], d) for row, d in zip(rows, draws, strict=True)]
        phonemes_only = [d.phonemes_only for d in draws]
        text = tuple(encoder.encode(prompts, phonemes_only=phonemes_only) for encoder in encoders)
        batch = _assemble(bucket, rows, draws, text, dtype)
        return _audio_alone(batch) if alone else batch


def _digest(clips: tuple[TrainingClip, ...], buckets: list[Bucket]) -> str:
    """A fingerprint of a run's data: every caption, and sums of the latents."""
    sums = [float(bucket.video.double().sum() + bucket.audio.double().sum()) for bucket in buckets]
    return hashlib.sha256(repr((clips, sums)).encode()).hexdigest()[:12]


def _load_bucket(clips: tuple[TrainingClip, ...], encoded: Encoded, config: JoVAConfig) -> Bucket:
    raw = AVLatents(
        video=torch.stack([encoded.latents[f"{info.id}.video"] for info in clips]).float(),
        audio=torch.stack([encoded.latents[f"{info.id}.audio"] for info in clips]).float(),
    )
    latents = normalise(config, raw).map(lambda x: x.bfloat16())
    masks = torch.stack([encoded.masks[info.id] for info in clips])
    return Bucket(clips=clips, video=latents.video, audio=latents.audio, mouth=masks)


def _prompt(clip: TrainingClip, sample: Draw) -> Prompt:
    """A clip's prompt, reduced to the parts in `sample.keep`."""
    parts = {name: part for name, part in vars(clip.prompt).items() if name in sample.keep}
    return Prompt(**parts)


def _audio_alone(batch: Batch) -> Batch:
    """The batch without its pictures: the sequence is sound and text only."""
    return replace(
        batch,
        x=replace(batch.x, video=None),
        target=replace(batch.target, video=None),
        conditioning=replace(batch.conditioning, image=None, image_mask=None),
        sigma_video=torch.zeros_like(batch.sigma_video),
    )


def _assemble(
    bucket: Bucket, rows: Tensor, draws: list[Draw], text: tuple[Tensor, ...], dtype: torch.dtype
) -> Batch:
    video, audio = bucket.video[rows].float(), bucket.audio[rows].float()
    b, _, frames = video.shape[:3]
    sigma_video = torch.tensor([d.sigma_video for d in draws])
    sigma_audio = torch.tensor([d.sigma_audio for d in draws])
    per_frame = sigma_video[:, None].repeat(1, frames)
    has_image = torch.tensor([d.image for d in draws])
    per_frame[has_image, 0] = 0
    sigma = per_frame.view(b, 1, frames, 1, 1)
    noise = AVLatents(
        video=torch.stack([d.video_noise for d in draws]),
        audio=torch.stack([d.audio_noise for d in draws]),
    )
    image_mask = torch.zeros(b, 1, *video.shape[2:])
    image_mask[has_image, :, 0] = 1
    conditioning = Conditioning(
        text=tuple(features.to(dtype) for features in text),
        image=(video * image_mask).to(dtype),
        image_mask=image_mask.to(dtype),
    )
    return Batch(
        x=AVLatents(
            video=interpolate(video, noise.video, sigma).to(dtype),
            audio=interpolate(audio, noise.audio, sigma_audio[:, None, None]).to(dtype),
        ),
        target=AVLatents(
            video=velocity_target(video, noise.video).to(dtype),
            audio=velocity_target(audio, noise.audio).to(dtype),
        ),
        conditioning=conditioning,
        t_video=1000 * per_frame,
        t_audio=1000 * sigma_audio,
        made_video=(sigma > 0).float(),
        made_audio=(sigma_audio > 0).float()[:, None, None],
        mouth=bucket.mouth[rows].float().unsqueeze(1),
        sigma_video=sigma_video,
        sigma_audio=sigma_audio,
    )


def _to(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        return tuple(_to(part, device) for part in value)
    if is_dataclass(value):
        return replace(
            value, **{f.name: _to(getattr(value, f.name), device) for f in fields(value)}
        )
    return value
