"""A data set as latents in memory: encoded once by the codecs, drawn from by step number.

Legend: B batch, C channels, T latent frames, h w latent rows and columns, L audio latents.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..codecs.checkpoint import LatentStats, MiniCodecs
from ..codecs.pixels import to_video
from ..codecs.text import MiniTextEncoder
from ..config import JoVAConfig, JoVAError
from ..files import atomic_write, read_tensors
from ..flow.path import interpolate, velocity_target
from ..latents import AVLatents, Conditioning, normalise
from ..minidata.dataset import Dataset, load_clip, load_dataset
from ..prompt import Prompt
from .sample import Draw, draw, stream_seed
from .settings import TrainSettings
from .shards import PATTERN, Encoded, read_encoded

LATENTS, MASKS = "latents.safetensors", "masks.safetensors"


def encode_dataset(
    dataset: Dataset, codecs: MiniCodecs, *, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write raw latents of every clip in bf16, `<id>.video` and `<id>.audio`, beside the clips."""
    tensors = {}
    with torch.inference_mode():
        for done, info in enumerate(dataset.clips, 1):
            clip = load_clip(dataset, info)
            pixels = to_video(clip["frames"])
            tensors[f"{info.id}.video"] = codecs.video.encode(pixels)[0].bfloat16()
            tensors[f"{info.id}.audio"] = codecs.audio.encode(clip["audio"][None])[0].bfloat16()
            if progress is not None:
                progress(done, len(dataset.clips))
    path = dataset.root / LATENTS
    with atomic_write(path) as temporary:
        save_file(
            {k: v.contiguous() for k, v in tensors.items()},
            temporary,
            metadata={"stats": codecs.stats.to_json()},
        )
    return path


def read_training(root: Path) -> Encoded:
    """The training clips of an encoded folder: of the mini's own data set, or a user's shards.

    Raises JoVAError where there are none, or not all of them are encoded.
    """
    if not (root / "dataset.json").is_file() and any(root.glob(PATTERN)):
        return read_encoded(root)
    clips = tuple(info for info in load_dataset(root).clips if info.split == "train")
    if not clips:
        raise JoVAError(f"{root} holds no training clips; render them with `jova data make-mini`.")
    wanted = "a folder that `jova data encode` filled"
    latents, about = read_tensors(root / LATENTS, "latents", wanted)
    masks, _ = read_tensors(root / MASKS, "mouth mask", wanted)
    missing = [i.id for i in clips if f"{i.id}.video" not in latents or i.id not in masks]
    if missing:
        raise JoVAError(
            f"The latents in {root} are not those to train on ({len(missing)} clips are missing); "
            "run `jova data encode` again."
        )
    stats = LatentStats.from_json(about.get("stats", ""))
    return Encoded(clips=clips, latents=latents, masks=masks, stats=stats)


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """All training clips of one length: normalised latents in bf16 and mouth masks."""

    clips: tuple[Any, ...]
    video: Tensor  # [n, C, T, h, w]
    audio: Tensor  # [n, C_a, L]
    mouth: Tensor  # uint8 [n, T, h, w]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One training batch, everything the network and the loss need, in the compute dtype.

    Without video where the step trains the voice alone; sigma_video is then 0.
    """

    x: AVLatents
    target: AVLatents
    conditioning: Conditioning
    t_video: Tensor  # 1000·σ, [B, T], 0 where given
    t_audio: Tensor  # [B]
    made_video: Tensor  # [B, 1, T, 1, 1]
    made_audio: Tensor  # [B, 1, 1]
    mouth: Tensor  # [B, 1, T, h, w]
    sigma_video: Tensor  # [B], for the log
    sigma_audio: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return _to(self, device)


class LatentSet:
    """Training clips by length; a batch is the same however often it is asked for."""

    def __init__(self, encoded: Encoded, config: JoVAConfig) -> None:
        if not encoded.stats.fit(config):
            raise JoVAError(
                "The latents are not those to train on (other codecs made them); run "
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
        encoder: MiniTextEncoder,
        dtype: torch.dtype,
        *,
        share: slice = slice(None),
    ) -> Batch:
        """The batch whose first sample has the global number `first`, or a share of its samples.

        Its clips are of one length, chosen by how many there are and how fast they are to train.
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
        if alone:  # then no voice is given, since nothing else would be learnt
            draws = [replace(d, sigma_audio=max(d.sigma_audio, d.sigma_video)) for d in draws]
        text = [_text(encoder, bucket.clips[row], d) for row, d in zip(rows, draws, strict=True)]
        whole = _assemble(bucket, rows, draws, torch.stack(text), dtype)
        return _voice_alone(whole) if alone else whole


def _digest(clips: tuple[Any, ...], buckets: list[Bucket]) -> str:
    """What a run was trained on, for its fingerprint: every caption, and sums of the latents."""
    sums = [float(bucket.video.double().sum() + bucket.audio.double().sum()) for bucket in buckets]
    return hashlib.sha256(repr((clips, sums)).encode()).hexdigest()[:12]


def _load_bucket(clips: tuple[Any, ...], encoded: Encoded, config: JoVAConfig) -> Bucket:
    raw = AVLatents(
        video=torch.stack([encoded.latents[f"{info.id}.video"] for info in clips]).float(),
        audio=torch.stack([encoded.latents[f"{info.id}.audio"] for info in clips]).float(),
    )
    scaled = normalise(config, raw).map(lambda x: x.bfloat16())
    masks = torch.stack([encoded.masks[info.id] for info in clips])
    return Bucket(clips=clips, video=scaled.video, audio=scaled.audio, mouth=masks)


def _text(encoder: MiniTextEncoder, info: Any, sample: Draw) -> Tensor:
    parts = (info.video_caption, info.audio_caption, info.transcript)
    kept = [part if keep else "" for part, keep in zip(parts, sample.keep, strict=True)]
    prompt = Prompt(video_caption=kept[0], audio_caption=kept[1], transcript=kept[2])
    return encoder.features(encoder.tokens(prompt, sample.by_sound))


def _voice_alone(batch: Batch) -> Batch:
    """The batch without its pictures: the sequence is sound and text only."""
    return replace(
        batch,
        x=replace(batch.x, video=None),
        target=replace(batch.target, video=None),
        conditioning=replace(batch.conditioning, image=None, image_mask=None),
        sigma_video=torch.zeros_like(batch.sigma_video),
    )


def _assemble(
    bucket: Bucket, rows: Tensor, draws: list[Draw], text: Tensor, dtype: torch.dtype
) -> Batch:
    video, audio = bucket.video[rows].float(), bucket.audio[rows].float()
    b, _, frames = video.shape[:3]
    sigma_video = torch.tensor([d.sigma_video for d in draws])
    sigma_audio = torch.tensor([d.sigma_audio for d in draws])
    per_frame = sigma_video[:, None].repeat(1, frames)
    given = torch.tensor([d.image for d in draws])
    per_frame[given, 0] = 0
    spread = per_frame.view(b, 1, frames, 1, 1)
    noise = AVLatents(
        video=torch.stack([d.video_noise for d in draws]),
        audio=torch.stack([d.audio_noise for d in draws]),
    )
    image_mask = torch.zeros(b, 1, *video.shape[2:])
    image_mask[given, :, 0] = 1
    conditioning = Conditioning(
        text=(text.to(dtype),),
        image=(video * image_mask).to(dtype),
        image_mask=image_mask.to(dtype),
    )
    return Batch(
        x=AVLatents(
            video=interpolate(video, noise.video, spread).to(dtype),
            audio=interpolate(audio, noise.audio, sigma_audio[:, None, None]).to(dtype),
        ),
        target=AVLatents(
            video=velocity_target(video, noise.video).to(dtype),
            audio=velocity_target(audio, noise.audio).to(dtype),
        ),
        conditioning=conditioning,
        t_video=1000 * per_frame,
        t_audio=1000 * sigma_audio,
        made_video=(spread > 0).float(),
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
