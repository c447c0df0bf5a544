"""Checks of the network's input; of shapes only, so that compiled graphs keep none."""

from dataclasses import replace

from torch import Tensor

from ..config import JoVAConfig
from ..errors import JoVAError
from ..latents import AVLatents, Conditioning


def check_input(
    config: JoVAConfig, x: AVLatents, t_video: Tensor, t_audio: Tensor, conditioning: Conditioning
) -> None:
    """Raises JoVAError for input that `JoVA.forward` could not use or would misread."""
    _check_latents(config, x)
    if x.video is not None:
        _, rows, columns = config.patch
        batch, _, frames, height, width = x.video.shape
        _check_times("video", t_video, frames)
        _check_grid(config, (frames, -(-height // rows), -(-width // columns)))
        _check_picture(conditioning, tuple(x.video.shape))
    if x.audio is not None:
        batch, _, length = x.audio.shape
        _check_times("audio", t_audio, -(-length // config.audio_patch))
    _check_text(config, batch, conditioning, alone=x.video is None or x.audio is None)


def _check_latents(config: JoVAConfig, x: AVLatents) -> None:
    video, audio = x.video, x.audio
    if video is None and audio is None:
        raise JoVAError("Got neither a video nor an audio latent; give at least one.")
    if video is not None and (video.ndim != 5 or video.shape[1] != config.video.channels):
        raise JoVAError(
            f"Got a video latent of shape {tuple(video.shape)}; expected "
            f"[B, {config.video.channels}, T, H/{config.video.spatial_ratio}, W/…]."
        )
    if audio is not None and (audio.ndim != 3 or audio.shape[1] != config.audio.channels):
        raise JoVAError(
            f"Got an audio latent of shape {tuple(audio.shape)}; expected "
            f"[B, {config.audio.channels}, L]."
        )
    if video is not None and audio is not None and len(video) != len(audio):
        raise JoVAError(
            f"Got {len(video)} video and {len(audio)} audio latents; give the same number of each."
        )


def _check_times(stream: str, t: Tensor, tokens: int) -> None:
    if t.ndim > 2 or (t.ndim == 2 and t.shape[1] != tokens):
        raise JoVAError(
            f"Got {stream} timesteps of shape {tuple(t.shape)}; expected [B] or [B, {tokens}]."
        )


def _check_text(config: JoVAConfig, batch: int, given: Conditioning, *, alone: bool) -> None:
    """`alone`: one stream is trained without the other, where unused tokens may be left out."""
    shapes = [tuple(features.shape) for features in given.text]
    specs = [replace(spec, pad="cut") if alone else spec for spec in config.text]
    valid = len(shapes) == len(specs) and all(
        shape == (batch, *shape[1:2], spec.width) and spec.accepts(shape[1])
        for shape, spec in zip(shapes, specs, strict=True)
    )
    if not valid:
        expected = [(batch, spec.max_tokens, spec.width) for spec in specs]
        fewer = " (fewer tokens are allowed)" if any(s.pad == "cut" for s in specs) else ""
        raise JoVAError(f"Got text features of shapes {shapes}; expected {expected}{fewer}.")
    if config.pooled_width and not config.pooled_from_text and given.pooled is None:
        raise JoVAError(
            f"Got no pooled text features; expected the shape [{batch}, {config.pooled_width}]."
        )
    if config.guidance_embed and given.guidance is None:
        raise JoVAError(f"Got no guidance strength; expected one of shape [{batch}].")


def _check_picture(given: Conditioning, video: tuple[int, ...]) -> None:
    if (given.image is None) != (given.image_mask is None):
        raise JoVAError("Got a picture or its mask alone; give both or neither.")
    for name, part in (("picture", given.image), ("picture mask", given.image_mask)):
        if part is not None and tuple(part.shape[2:]) != video[2:]:
            raise JoVAError(
                f"Got a {name} of shape {tuple(part.shape)} with a video latent of shape {video}; "
                "give them the same frames, rows and columns."
            )


def _check_grid(config: JoVAConfig, grid: tuple[int, int, int]) -> None:
    size = config.learned_pos_size
    if config.learned_pos == "factorised" and any(n > m for n, m in zip(grid, size, strict=True)):
        raise JoVAError(
            f"Got a clip of {grid} tokens in time, rows and columns; the model's learned positions "
            f"reach {size}: make the clip shorter or smaller."
        )
