"""The random part of a training sample (times, task, prompt, noise), a function of (seed, index).

Nothing here depends on the step size, the batch or earlier steps, so a resumed run sees the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..flow.path import timestep_quantile
from ..prompt import PARTS
from .settings import TrainSettings
from .tasks import WITH_AUDIO, Task


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The random part of one sample.

    sigma_video, sigma_audio: 0 for a given stream. image: the first latent frame is given.
    luck: four uniform numbers for the task's places. disguised: see `TrainSettings`.
    keep: names of the prompt parts to keep. phonemes_only: see `TextEncoder`.
    """

    sigma_video: float
    sigma_audio: float
    task: Task
    image: bool
    luck: Tensor
    disguised: bool
    keep: tuple[str, ...]
    phonemes_only: tuple[int, ...]


def stream_seed(seed: int, index: int, stream: str) -> int:
    """A 63-bit seed of its own for each (seed, index, stream)."""
    digest = hashlib.blake2b(f"{seed}/{index}/{stream}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def draw(settings: TrainSettings, index: int) -> Draw:
    """The draw of the sample with global number `index`."""
    generator = torch.Generator("cpu").manual_seed(stream_seed(settings.seed, index, "draw"))
    uniform = torch.rand(18, generator=generator)
    sigma = timestep_quantile(uniform[:2], settings.timestep_sampling, shift=settings.shift)
    luck = torch.rand(6, generator=generator)
    # As a list: each comparison of a tensor takes as long as all of them together.
    (video, other), u, more = sigma.tolist(), uniform.tolist(), luck.tolist()
    audio, tasks = video, settings.tasks
    task = tasks.of(u[2])
    if u[2] < tasks.independent:
        audio = other
    elif task in WITH_AUDIO:
        audio = 0.0
    elif task == "video":
        video = 0.0
    keep = []
    if u[3] >= settings.drop_prompt:
        keep = [part for part, v in zip(PARTS, u[5:8], strict=True) if v >= settings.drop_part]
    if task in WITH_AUDIO and more[4] < settings.drop_words:
        keep = [part for part in keep if part != "transcript"]
    return Draw(
        sigma_video=video,
        sigma_audio=audio,
        task=task,
        image=task in ("text", "audio") and u[4] < tasks.image_given,
        luck=luck[:4],
        disguised=task in WITH_AUDIO and more[5] < settings.disguised,
        keep=tuple(keep),
        phonemes_only=tuple(i for i in range(10) if u[8 + i] < settings.phonemes_only),
    )


def draw_noise(
    seed: int, indices: Sequence[int], shape: torch.Size, stream: str, device: torch.device
) -> Tensor:
    """Noise of the samples with these global numbers, fp32 `[B, *shape]`, drawn on the device.

    The numbers of a kind of device; another kind draws others.
    """
    generator, noise = torch.Generator(device), torch.empty(len(indices), *shape, device=device)
    for row, index in zip(noise, indices, strict=True):
        row.normal_(generator=generator.manual_seed(stream_seed(seed, index, stream)))
    return noise
