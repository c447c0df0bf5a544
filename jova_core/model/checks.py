"""What the network refuses to be given, in sentences; shapes only, so compiled graphs keep none."""

from torch import Tensor

from ..config import JoVAConfig
from ..errors import JoVAError
from ..latents import AVLatents, Conditioning


def check_input(
    config: JoVAConfig, x: AVLatents, t_video: Tensor, t_audio: Tensor, conditioning: Conditioning
) -> None:
    """Raises JoVAError for anything that `JoVA.forward` could not use or would misread."""
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
    _check_text(config, batch, conditioning)


def _check_latents(config: JoVAConfig, x: AVLatents) -> None:
    video, audio = x.video, x.audio
    if video is None and audio is None:
        raise JoVAError("Neither a video nor an audio latent came; give at least one.")
    if video is not None and (video.ndim != 5 or video.shape[1] != config.video.channels):
        raise JoVAError(
            f"A video latent of shape {tuple(video.shape)} came; this model needs "
            f"[B, {config.video.channels}, T, H/{config.video.spatial_ratio}, W/…]."
        )
    if audio is not None and (audio.ndim != 3 or audio.shape[1] != config.audio.channels):
        raise JoVAError(
            f"An audio latent of shape {tuple(audio.shape)} came; this model needs "
            f"[B, {config.audio.channels}, L]."
        )
    if video is not None and audio is not None and len(video) != len(audio):
        raise JoVAError(
            f"{len(video)} video and {len(audio)} audio latents came; give as many of each."
        )


def _check_times(stream: str, t: Tensor, tokens: int) -> None:
    if t.ndim > 2 or (t.ndim == 2 and t.shape[1] != tokens):
        raise JoVAError(
            f"The {stream} timesteps have the shape {tuple(t.shape)}; give [B] or [B, {tokens}]."
        )


def _check_text(config: JoVAConfig, batch: int, given: Conditioning) -> None:
    came = [tuple(features.shape) for features in given.text]
    fits = len(came) == len(config.text) and all(
        shape == (batch, *shape[1:2], spec.width) and spec.accepts(shape[1])
        for shape, spec in zip(came, config.text, strict=True)
    )
    if not fits:
        needed = [(batch, spec.max_tokens, spec.width) for spec in config.text]
        fewer = " (fewer tokens are allowed)" if any(s.pad == "cut" for s in config.text) else ""
        raise JoVAError(f"Text features of shapes {came} came; this model needs {needed}{fewer}.")
    if config.pooled_width and not config.pooled_from_text and given.pooled is None:
        raise JoVAError(
            f"No pooled text came; this model needs [{batch}, {config.pooled_width}] of it."
        )
    if config.guidance_embed and given.guidance is None:
        raise JoVAError(f"No guidance strength came; this model needs one, of shape [{batch}].")


def _check_picture(given: Conditioning, video: tuple[int, ...]) -> None:
    if (given.image is None) != (given.image_mask is None):
        raise JoVAError("A picture and its mask belong together; give both or neither.")
    for name, part in (("picture", given.image), ("picture mask", given.image_mask)):
        if part is not None and tuple(part.shape[2:]) != video[2:]:
            raise JoVAError(
                f"A {name} of shape {tuple(part.shape)} came with a video latent of shape {video}; "
                "give them the same frames, rows and columns."
            )


def _check_grid(config: JoVAConfig, grid: tuple[int, int, int]) -> None:
    size = config.learned_pos_size
    if config.learned_pos == "factorised" and any(n > m for n, m in zip(grid, size, strict=True)):
        raise JoVAError(
            f"The clip has {grid} tokens in time, rows and columns; this model's learned positions "
            f"reach {size}: make it shorter or smaller."
        )
