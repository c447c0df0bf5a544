"""Media from the user (portraits, audio or a video), their latents, and what of them is kept.

Legend: T video latents, h w latent rows and columns, L audio latents.
"""

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
    """Pictures uint8 `[H, W, 3]` to begin and to end with, audio `[N]`, a video `[F, H, W, 3]`.

    Pictures have the clip's size; audio is mono at the checkpoint's rate. What is given is kept,
    but for what `made_video`, bool `[T, h, w]`, and `made_audio`, bool `[L]`, say is made anew; see
    `jova_core.tasks`. With `made_video` a video may be shorter than the clip.

    The first `lead` frames, of a whole number of latents after the first, are seen and heard by
    the model and cut off the finished clip.
    """

    image: Tensor | None = None
    last_image: Tensor | None = None
    audio: Tensor | None = None
    video: Tensor | None = None
    made_video: Tensor | None = None
    made_audio: Tensor | None = None
    lead: int = 0

    def __post_init__(self) -> None:
        cut = self.made_video is not None or self.made_audio is not None
        if self.audio is not None and self.video is not None and not cut:
            raise JoVAError("Got both audio and video, so nothing is left to generate; give one.")
        pictures = self.image is not None or self.last_image is not None
        if pictures and self.video is not None:
            raise JoVAError("Got both a picture and a video; give one of them.")


@dataclass(frozen=True, kw_only=True)
class GivenLatents:
    """Normalised latents of given media, whole streams or None, and which cells are kept.

    shown: those that enter by the image channels too (see `given_pictures` of the config).
    """

    latents: AVLatents
    video: Tensor  # bool [T, h, w]
    audio: Tensor  # bool [L]
    shown: Tensor  # bool [T, h, w]
    audio_patch: int = 1  # audio latents of a token

    @staticmethod
    def nothing(like: AVLatents) -> "GivenLatents":
        """Nothing is given to a clip whose latents are like these."""
        video, audio = like.video[0, 0], like.audio[0, 0]
        made = torch.zeros_like(video, dtype=torch.bool)
        heard = torch.zeros_like(audio, dtype=torch.bool)
        return GivenLatents(latents=AVLatents(), video=made, audio=heard, shown=made)

    @property
    def frames(self) -> Tensor:
        """bool `[T]`: latent frames that are given whole, and therefore clean, at time 0."""
        return self.video.flatten(1).all(1)

    @property
    def made_audio(self) -> Tensor:
        """`[1, tokens]`: 0 for given tokens, else 1; `[1, 1]` if all are the same."""
        made = (~self.audio).float()
        if made.all() or not made.any():
            return made[None, :1]
        patch = self.audio_patch
        tokens = torch.nn.functional.pad(made, (0, -len(made) % patch)).view(-1, patch)
        return tokens.amax(1)[None]

    def size(self, config: JoVAConfig) -> dict[str, int]:
        """Height and width in pixels."""
        rows, columns = self.video.shape[1:]
        ratio = config.video.spatial_ratio
        return {"height": rows * ratio, "width": columns * ratio}

    def pictures(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """What enters by the image channels, like the video latent `like`, and its mask."""
        image = torch.zeros(like.shape)
        if self.latents.video is not None:
            image = torch.where(self.shown, self.latents.video, image)
        return image, self.shown[None, None].float()

    def put_into(self, noise: AVLatents) -> AVLatents:
        """The noise, replaced by what is clean from the start: whole frames and audio."""
        video, audio = noise.video, noise.audio
        if self.latents.video is not None:
            video = torch.where(self.frames.view(-1, 1, 1), self.latents.video, video)
        if self.latents.audio is not None:
            audio = torch.where(self.audio, self.latents.audio, audio)
        return AVLatents(video=video, audio=audio)

    def hold(self, velocity: AVLatents, noise: AVLatents) -> AVLatents:
        """`velocity` where something is made, 0 where what is given is clean.

        Kept cells of frames that are made in part come from their noise in a straight line.
        """
        whole = self.frames.view(-1, 1, 1)
        video = velocity.video * (~whole).float()
        cells = self.video & ~whole
        if cells.any():
            video = torch.where(cells, noise.video - self.latents.video, video)
        return AVLatents(video=video, audio=velocity.audio * (~self.audio).float())


def encode_given(config: JoVAConfig, codecs: Codecs, frames: int, given: Given) -> GivenLatents:
    """Encode given media for a clip of `frames` pictures; audio is cut or padded to its length.

    Raises JoVAError for a video shorter than what is kept of it, and for a part of the pictures
    where the model takes whole ones only.
    """
    timeline = Timeline.of(config)
    video, kept = _encode_pictures(config, codecs, timeline.video_latents(frames), given)
    length = timeline.audio_latents(frames)
    audio, heard = None, torch.zeros(length, dtype=torch.bool)
    if given.audio is not None:
        samples = timeline.audio_samples(frames)
        wave = torch.nn.functional.pad(given.audio, (0, max(0, samples - len(given.audio))))
        audio = codecs.audio.encode(wave[None, :samples])[..., :length]
        heard = torch.ones_like(heard) if given.made_audio is None else ~given.made_audio
    shown = kept
    if config.given_pictures == "first":
        shown = torch.zeros_like(kept)
        shown[0] = given.image is not None
    latents = normalise(config, AVLatents(video=video, audio=audio))
    masks = {"video": kept, "audio": heard, "shown": shown}
    return GivenLatents(latents=latents, **masks, audio_patch=config.audio_patch)


def _encode_pictures(
    config: JoVAConfig, codecs: Codecs, latents: int, given: Given
) -> tuple[Tensor | None, Tensor]:
    """Latents `[1, C, T, h, w]` of given pictures, 0 where none are, and which are kept."""
    spec, line = config.video, Timeline.of(config)
    rows, columns = spec.height // spec.spatial_ratio, spec.width // spec.spatial_ratio
    parts: list[tuple[slice, Tensor]] = []
    if given.image is not None:
        parts.append((slice(0, 1), codecs.video.encode(to_video(given.image[None]))))
    if given.last_image is not None:
        still = given.last_image[None].expand(line.frames(2), -1, -1, -1)
        parts.append((slice(latents - 1, latents), codecs.video.encode(to_video(still))[:, :, 1:]))
    if given.video is not None:
        pictures = _whole(line, latents, given)
        encoded = codecs.video.encode(to_video(pictures))
        parts.append((slice(0, encoded.shape[2]), encoded))
    if not parts:
        return None, torch.zeros(latents, rows, columns, dtype=torch.bool)
    rows, columns = parts[0][1].shape[3:]
    video = parts[0][1].new_zeros(1, spec.channels, latents, rows, columns)
    kept = torch.zeros(latents, rows, columns, dtype=torch.bool)
    for place, encoded in parts:
        video[:, :, place], kept[place] = encoded, True
    if given.made_video is not None:
        kept &= ~given.made_video
    whole, some = kept.flatten(1).all(1), kept.flatten(1).any(1)
    if not torch.equal(whole, some):
        check_takes_parts(config)
    return video, kept


def check_takes_parts(config: JoVAConfig) -> None:
    """Raises JoVAError for a model that takes given pictures as a whole only."""
    if config.given_pictures == "first":
        raise JoVAError(
            "This model takes given pictures as a whole; lip-sync and dubbing need one that was "
            "trained on masks (`given_pictures` of its config is all)."
        )


def _whole(line: Timeline, latents: int, given: Given) -> Tensor:
    """The frames of a given video that fill latents. JoVAError: what is kept reaches beyond."""
    wanted = line.frames(latents)
    count = len(given.video)
    there = line.whole_frames(min(count, wanted))
    made = given.made_video
    beyond = made is None or not bool(made[line.video_latents(there) :].all())
    if there < wanted and beyond:
        raise JoVAError(
            f"Got a video of {count} frames for a clip of {wanted}; make the clip shorter."
        )
    return given.video[:there]
