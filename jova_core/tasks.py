"""What each task on a film gives, and what of it is made anew.

Legend: F frames, N samples, T video latents, h w latent rows and columns, L audio latents.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from .config import JoVAConfig
from .errors import JoVAError
from .given import Given
from .mouth.area import mouth_area
from .timeline import Timeline

Streams = Literal["both", "video", "audio"]
# Seconds of a film's own voice that a dub in that voice listens to first. Ours.
HEARD_SECONDS = 1.0


def lip_sync(film: Tensor, audio: Tensor, mouth: Tensor) -> Given:
    """A film `[F, H, W, 3]` whose mouth, of cells `[T, h, w]`, moves to other audio `[N]`."""
    return Given(video=film, audio=audio, made_video=_area(mouth))


def dub(film: Tensor, mouth: Tensor) -> Given:
    """A film `[F, H, W, 3]` whose mouth, of cells `[T, h, w]`, says what the prompt says."""
    return Given(video=film, made_video=_area(mouth))


def dub_in_voice(config: JoVAConfig, film: Tensor, audio: Tensor, mouth: Tensor) -> Given:
    """As `dub`, in the voice of the film's own audio `[N]`.

    The beginning of the film comes first once more, as it is and with its audio; the rest goes on
    in the voice of that. Without room for it in the longest clip of the model it is a plain `dub`.
    """
    line, ratio = Timeline.of(config), config.video.temporal_ratio
    latents = line.video_latents(len(film))
    room = line.latent_of_frame(int(line.max_seconds * line.fps)) - latents
    first = min(round(HEARD_SECONDS * line.fps / ratio), latents - 1, room)
    if first < 1:
        return dub(film, mouth)
    whole = torch.cat([film[: first * ratio], film])
    made_video = torch.cat([torch.zeros_like(mouth[:first], dtype=torch.bool), _area(mouth)])
    made_audio = torch.zeros(line.audio_latents(len(whole)), dtype=torch.bool)
    sizes = len(made_audio), config.audio_patch
    made_audio[audio_stretch(line, first, len(made_video), *sizes)] = True
    return Given(
        video=whole,
        audio=audio[: line.audio_samples(first * ratio)],
        made_video=made_video,
        made_audio=made_audio,
        lead=first * ratio,
    )


def extend(config: JoVAConfig, film: Tensor, audio: Tensor | None, frames: int) -> Given:
    """A film and its audio that go on for a clip of `frames` pictures.

    Raises JoVAError for a film that is not shorter than the clip.
    """
    line = Timeline.of(config)
    there = line.video_latents(line.whole_frames(len(film)))
    total = line.video_latents(frames)
    if there >= total:
        raise JoVAError(
            f"The film has {len(film)} frames and the clip {frames}; make the clip longer than the "
            "film."
        )
    return _with_stretch(config, film, audio, frames, (there, total))


def redo(
    config: JoVAConfig,
    film: Tensor,
    audio: Tensor | None,
    seconds: tuple[float, float],
    streams: Streams = "both",
) -> Given:
    """A film and its audio with a stretch, from one moment to another, made anew.

    The stretch grows to whole latents. Raises JoVAError for one outside the film.
    """
    line = Timeline.of(config)
    frames = line.whole_frames(len(film))
    length, (begin, end) = float(line.seconds(frames)), seconds
    if not 0 <= begin < end or begin >= length:
        raise JoVAError(
            f"Got a stretch from {begin:g} to {end:g} s; the film lasts {length:.2f} s: give two "
            "rising times within it."
        )
    first = line.latent_of_frame(int(begin * line.fps))
    last = line.latent_of_frame(min(math.ceil(end * line.fps), frames) - 1) + 1
    return _with_stretch(config, film[:frames], audio, frames, (first, last), streams=streams)


def audio_stretch(
    line: Timeline, first: int, last: int, audio_latents: int, audio_patch: int
) -> slice:
    """The whole audio tokens that sound during the video latents from `first` to before `last`."""
    begins = line.frames(first) if first else 0
    ends = line.frames(last)
    per_frame = line.audio_rate / line.fps / audio_patch
    start = math.floor(begins * per_frame) * audio_patch
    stop = math.ceil(ends * per_frame) * audio_patch
    return slice(min(start, audio_latents), min(stop, audio_latents))


def _area(mouth: Tensor) -> Tensor:
    return mouth_area(mouth).expand(mouth.shape)


def _with_stretch(
    config: JoVAConfig,
    film: Tensor,
    audio: Tensor | None,
    frames: int,
    stretch: tuple[int, int],
    *,
    streams: Streams = "both",
) -> Given:
    """The film with these video latents made, and the audio that sounds meanwhile."""
    line, ratio = Timeline.of(config), config.video.spatial_ratio
    cells = film.shape[1] // ratio, film.shape[2] // ratio
    made_video = torch.zeros(line.video_latents(frames), *cells, dtype=torch.bool)
    made_audio = torch.zeros(line.audio_latents(frames), dtype=torch.bool)
    if streams != "audio":
        made_video[slice(*stretch)] = True
    if streams != "video" or audio is None:
        heard = audio_stretch(line, *stretch, len(made_audio), config.audio_patch)
        made_audio[heard if audio is not None else slice(None)] = True
    return Given(video=film, audio=audio, made_video=made_video, made_audio=made_audio)
