"""Samples put together to one training batch, on the device that trains.

Legend: B batch, C channels, T latent frames, h w latent rows and columns, L audio latents, S text
tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..codecs import TextEncoder
from ..config import JoVAConfig
from ..flow.path import interpolate, shift_sigma, velocity_target
from ..latents import AVLatents, Conditioning
from ..model.unused_text import used_text
from ..prompt import Prompt
from ..timeline import Timeline
from .alignment import Heard
from .places import Places
from .sample import Draw
from .settings import TrainSettings
from .tasks import given_masks

# What a batch trains: films with sound, voices without pictures, or single pictures without sound.
Kind = Literal["clips", "voices", "pictures"]


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
    heard: Heard | None = None  # where the sounds of the transcript are told apart


@dataclass(frozen=True, kw_only=True)
class Take:
    """What a sample is trained on beside its latents and noise.

    text: features `[S, width]` of each encoder; given: bool masks `[T, h, w]` and `[L]`, None in
    steps of one stream, where nothing is given.
    """

    draw: Draw
    text: tuple[Tensor, ...]
    given: tuple[Tensor, Tensor] | None = None


def make_takes(
    kind: Kind,
    draws: Sequence[Draw],
    prompts: Sequence[Prompt],
    mouths: Sequence[Tensor],
    *,
    audio_latents: int,
    config: JoVAConfig,
    encoders: Sequence[TextEncoder],
) -> list[Take]:
    """A take for each draw, of a clip with a prompt and a mouth mask `[T, h, w]`.

    The text of steps of one stream goes without its unused tokens, half of their sequence.
    """
    kept = [_kept(prompt, sample) for prompt, sample in zip(prompts, draws, strict=True)]
    phonemes_only = [sample.phonemes_only for sample in draws]
    texts = [encoder.encode(kept, phonemes_only=phonemes_only) for encoder in encoders]
    if kind != "clips":
        texts = [used_text(text) for text in texts]
    rows = [tuple(features[place] for features in texts) for place in range(len(draws))]
    if kind != "clips":
        return [Take(draw=d, text=text) for d, text in zip(draws, rows, strict=True)]
    sizes = {"audio_latents": audio_latents, "audio_patch": config.audio_patch}
    sizes["line"] = Timeline.of(config)
    takes = []
    for sample, text, mouth in zip(draws, rows, mouths, strict=True):
        video, audio = given_masks(sample.task, sample.luck, mouth, **sizes)
        if sample.image:
            video[0] = True
        takes.append(Take(draw=sample, text=text, given=(video, audio)))
    return takes


def of_kind(kind: Kind, sample: Draw, settings: TrainSettings) -> Draw:
    """The draw of a sample of clips, or of one that is made: a voice alone or a single picture.

    A picture is made from the words that say what is seen.
    """
    if kind == "clips":
        return sample
    made = replace(sample, task="text", image=False, disguised=False)
    sigma = max(sample.sigma_video, sample.sigma_audio)
    if settings.alone_shift:
        sigma = float(shift_sigma(torch.tensor(sigma), settings.alone_shift / settings.shift))
    if kind == "voices":  # never given, or nothing would be learnt
        return replace(made, sigma_audio=sigma)
    kept = tuple(part for part in sample.keep if part == "video_caption")
    return replace(made, sigma_video=sigma, sigma_audio=0.0, keep=kept)


def assemble(
    kind: Kind,
    takes: Sequence[Take],
    clean: AVLatents,
    noise: AVLatents,
    mouth: Tensor,
    *,
    config: JoVAConfig,
    settings: TrainSettings,
    dtype: torch.dtype,
) -> Batch:
    """The batch of clean latents and noise, fp32 on one device, and mouth masks `[B, T, h, w]`.

    In a step of one stream the other is left out of it.
    """
    device, draws = mouth.device, [take.draw for take in takes]
    given_video, given_audio = _given(takes, mouth, clean.audio)
    sigma_video = torch.tensor([d.sigma_video for d in draws], device=device)
    sigma_audio = torch.tensor([d.sigma_audio for d in draws], device=device)
    # A frame with anything to make is noisy as a whole; audio is given or made token by token.
    per_frame = sigma_video[:, None] * (~given_video.flatten(2).all(2))
    per_latent = sigma_audio[:, None] * ~given_audio
    image_mask = given_video[:, None].float()
    if config.given_pictures == "first":
        image_mask[:, :, 1:] = 0
        image_mask[torch.tensor([not d.image for d in draws])] = 0
    texts = zip(*(take.text for take in takes), strict=True)
    conditioning = Conditioning(
        text=tuple(pad_sequence(text, batch_first=True).to(device, dtype) for text in texts),
        image=(clean.video * image_mask).to(dtype),
        image_mask=image_mask.to(dtype),
    )
    sigma = AVLatents(video=per_frame[:, None, :, None, None], audio=per_latent[:, None])
    cut = settings.tasks.cut_audio
    batch = Batch(
        x=AVLatents(
            video=interpolate(clean.video, noise.video, sigma.video).to(dtype),
            audio=interpolate(clean.audio, noise.audio, sigma.audio).to(dtype),
        ),
        target=clean.zip(noise, lambda c, n: velocity_target(c, n).to(dtype)),
        conditioning=conditioning,
        t_video=1000 * per_frame,
        t_audio=1000 * (per_latent[:, :: config.audio_patch] if cut else sigma_audio),
        made_video=((sigma.video > 0) & ~given_video[:, None]).float(),
        made_audio=(sigma.audio > 0).float(),
        mouth=mouth.unsqueeze(1),
        sigma_video=sigma_video,
        sigma_audio=sigma_audio,
    )
    return _of_streams(kind, batch)


def _given(takes: Sequence[Take], mouth: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
    """Bool masks `[B, T, h, w]` and `[B, L]`."""
    if takes[0].given is None:
        return torch.zeros_like(mouth, dtype=torch.bool), torch.zeros_like(audio[:, 0]).bool()
    video, audio = zip(*(take.given for take in takes), strict=True)
    return torch.stack(video).to(mouth.device), torch.stack(audio).to(mouth.device)


def _kept(prompt: Prompt, sample: Draw) -> Prompt:
    """A prompt reduced to the parts in `sample.keep`."""
    return Prompt(**{name: part for name, part in vars(prompt).items() if name in sample.keep})


def _of_streams(kind: Kind, batch: Batch) -> Batch:
    """The batch without the stream that a step of its kind leaves out of the sequence."""
    if kind == "clips":
        return batch
    if kind == "voices":
        return replace(
            batch,
            x=replace(batch.x, video=None),
            target=replace(batch.target, video=None),
            conditioning=replace(batch.conditioning, image=None, image_mask=None),
            sigma_video=torch.zeros_like(batch.sigma_video),
        )
    return replace(batch, x=replace(batch.x, audio=None), target=replace(batch.target, audio=None))
