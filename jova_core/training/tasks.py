"""Which latents of a training sample are given: one pair of masks for every task.

Legend: T video latents, h w latent rows and columns, L audio latents.
"""

from typing import Literal

import torch
from torch import Tensor

from ..mouth.area import mouth_area
from ..tasks import audio_stretch
from ..timeline import Timeline

# text: nothing is given; audio, video: that stream; first_last: the first and the last latent
# frame; extend: the beginning of both streams; redo: all but a stretch of one stream or of both;
# lip_sync: the audio and the pictures but for the mouth; dub: the pictures but for the mouth, in
# half of the samples after a beginning of both streams, in whose voice the rest is spoken.
Task = Literal["text", "audio", "video", "first_last", "extend", "redo", "lip_sync", "dub"]
# Tasks that give all of the audio.
WITH_AUDIO: tuple[Task, ...] = ("audio", "lip_sync")
# Most cells that a mouth's area is grown by in training, beyond what it is grown by in use.
_GROWN = 2


def given_masks(
    task: Task, luck: Tensor, mouth: Tensor, *, audio_latents: int, line: Timeline, audio_patch: int
) -> tuple[Tensor, Tensor]:
    """Bool masks of given latents, video `[T, h, w]` and audio `[L]`, whole audio tokens.

    luck: four uniform numbers, which choose places; mouth: the mouth's cells `[T, h, w]`.
    """
    frames = len(mouth)
    video = torch.zeros(mouth.shape, dtype=torch.bool)
    audio = torch.zeros(audio_latents, dtype=torch.bool)
    if task == "video":
        video[:] = True
    elif task == "first_last":
        video[[0, -1]] = True
    elif task in ("lip_sync", "dub"):
        video[:] = ~mouth_area(mouth, grown=int(luck[0] * (_GROWN + 1)))
        if task == "dub" and luck[1] >= 0.5 and frames > 1:
            first, last = _stretch("extend", luck[2:], frames)
            video[:first] = True
            audio[: audio_stretch(line, first, last, audio_latents, audio_patch).start] = True
    elif task in ("extend", "redo") and frames > 1:
        first, last = _stretch(task, luck, frames)
        heard = audio_stretch(line, first, last, audio_latents, audio_patch)
        made = luck[2] if task == "redo" else 0.0
        if made < 2 / 3:
            video[:first], video[last:] = True, True
        else:
            video[:] = True
        if made < 1 / 3 or made >= 2 / 3:
            audio[: heard.start], audio[heard.stop :] = True, True
        else:
            audio[:] = True
    if task in WITH_AUDIO:
        audio[:] = True
    return video, audio


def _stretch(task: Task, luck: Tensor, frames: int) -> tuple[int, int]:
    """The video latents to make, from the first to before the last."""
    if task == "extend":
        return 1 + int(luck[0] * (frames - 1)), frames
    length = 1 + int(luck[1] * (frames - 1))
    first = int(luck[0] * (frames - length + 1))
    return first, first + length
