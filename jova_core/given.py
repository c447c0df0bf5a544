"""Media from the user (a portrait, audio or a video) and their latents."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .codecs import Codecs
from .config import JoVAConfig
from .errors import JoVAError
from .latents import AVLatents, normalise
from .media.pixels import to_video
from .timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Given:
    """A picture uint8 `[H, W, 3]`, audio `[N]` or a video `[F, H, W, 3]`.

    Pictures have the clip's size; audio is mono at the checkpoint's rate.
    """

    image: Tensor | None = None
    audio: Tensor | None = None
    video: Tensor | None = None

    def __post_init__(self) -> None:
        if self.audio is not None and self.video is not None:
            raise JoVAError("Got both audio and video, so nothing is left to generate; give one.")
        if self.image is not None and self.video is not None:
            raise JoVAError("Got both a picture and a video; give one of them.")


@dataclass(frozen=True, kw_only=True)
class GivenLatents:
    """Normalised latents of given media and the latent frames they cover.

    image: the first latent frame is a reference picture, which also enters by its own channels.
    """

    latents: AVLatents
    video_given: Tensor  # bool [T]
    audio_given: bool
    image: bool

    def size(self, config: JoVAConfig) -> dict[str, int]:
        """Height and width in pixels: those of the given pictures, else the config's."""
        video, spec = self.latents.video, config.video
        if video is None:
            return {"height": spec.height, "width": spec.width}
        rows, columns = video.shape[3:]
        return {"height": rows * spec.spatial_ratio, "width": columns * spec.spatial_ratio}

    def put_into(self, noise: AVLatents) -> AVLatents:
        """The noise, replaced by the given latents in their places."""
        video, audio = noise.video, noise.audio
        if self.latents.video is not None:
            video = video.clone()
            video[:, :, self.video_given] = self.latents.video
        return AVLatents(video=video, audio=self.latents.audio if self.audio_given else audio)


def encode_given(config: JoVAConfig, codecs: Codecs, frames: int, given: Given) -> GivenLatents:
    """Encode given media for a clip of `frames` pictures; audio is cut or padded to its length.

    Raises JoVAError for a video shorter than the clip.
    """
    timeline = Timeline.of(config)
    video_given = torch.zeros(timeline.video_latents(frames), dtype=torch.bool)
    video = audio = None
    pictures = given.video if given.image is None else given.image[None]
    if pictures is not None:
        count = 1 if given.video is None else frames
        if len(pictures) < count:
            raise JoVAError(
                f"Got a video of {len(pictures)} frames for a clip of {frames}; "
                "make the clip shorter."
            )
        video = codecs.video.encode(to_video(pictures[:count]))
        video_given[: video.shape[2]] = True
    if given.audio is not None:
        samples = timeline.audio_samples(frames)
        wave = torch.nn.functional.pad(given.audio, (0, max(0, samples - len(given.audio))))
        audio = codecs.audio.encode(wave[None, :samples])[..., : timeline.audio_latents(frames)]
    return GivenLatents(
        latents=normalise(config, AVLatents(video=video, audio=audio)),
        video_given=video_given,
        audio_given=audio is not None,
        image=given.image is not None,
    )
