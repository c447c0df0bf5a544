"""Latents → clip: at once, or in chunks while it is written."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .compositing import over_audio, over_film
from .errors import JoVAError
from .given import Given
from .kernels import fast_fp32
from .latents import AVLatents, denormalise
from .media.frames import FrameStream
from .media.pixels import to_frames
from .pipeline import JoVAPipeline, SampleSettings, sample
from .prompt import Prompt

# Latents decoded at a time: 4 of video (16 frames), 128 of audio (4 s). Ours.
VIDEO_CHUNK, AUDIO_CHUNK = 4, 128


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A finished clip: uint8 frames `[F, H, W, 3]`, mono audio `[N]` in [-1, 1], its latents."""

    frames: Tensor
    audio: Tensor
    latents: AVLatents


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """A clip while it is decoded: chunks of uint8 frames `[n, H, W, 3]` in turn, and its audio."""

    frames: FrameStream
    audio: Tensor


@torch.inference_mode()
def generate(
    pipeline: JoVAPipeline,
    prompt: Prompt,
    frames: int,
    settings: SampleSettings,
    *,
    given: Given | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Clip:
    """Sample and decode a clip; arguments as in `pipeline.sample`."""
    with fast_fp32():
        latents = sample(pipeline, prompt, frames, settings, given=given, progress=progress)
        return decode(pipeline, latents, frames, given=given)


def decode_stream(
    pipeline: JoVAPipeline,
    latents: AVLatents,
    frames: int,
    *,
    given: Given | None = None,
    chunk: int = VIDEO_CHUNK,
) -> Decoding:
    """Latents as sampled → their clip, `chunk` video latents at a time, while it is written.

    What is kept of a film that was given in part comes from the film itself.

    The video codec looks back only, so nothing is decoded twice and memory does not grow with the
    clip. Half of the CPU's threads are left to the reader of the frames. Raises JoVAError for
    video latents with NaN or infinity; audio with NaN stays so, and the pictures can be saved.
    """
    check_finite(AVLatents(video=latents.video))
    raw = denormalise(pipeline.config, latents)
    ratio = pipeline.config.video.spatial_ratio
    chunks = _decode_video(pipeline, raw.video, chunk)
    audio = _decode_audio(pipeline, raw.audio, frames + _lead(given))
    size = {"height": raw.video.shape[3] * ratio, "width": raw.video.shape[4] * ratio}
    chunks, audio = _put_back(pipeline, given, chunks, audio)
    return Decoding(frames=FrameStream(count=frames, chunks=chunks, **size), audio=audio)


def _put_back(
    pipeline: JoVAPipeline, given: Given | None, chunks: Iterable[Tensor], audio: Tensor
) -> tuple[Iterator[Tensor], Tensor]:
    """Frames and audio with what is kept of a film that was given in part, without its lead."""
    if given is not None and given.video is not None and given.made_video is not None:
        chunks = over_film(pipeline.config, given, chunks)
    if given is not None and given.audio is not None and given.made_audio is not None:
        audio = over_audio(pipeline.config, given, audio)
    lead = _lead(given)
    return _without_first(chunks, lead), audio[pipeline.timeline.audio_samples(lead) :]


def _lead(given: Given | None) -> int:
    return 0 if given is None else given.lead


def _without_first(chunks: Iterable[Tensor], count: int) -> Iterator[Tensor]:
    """Chunks of frames in turn without the first `count` frames."""
    for chunk in chunks:
        if count < len(chunk):
            yield chunk[count:]
        count = max(0, count - len(chunk))


def decode(
    pipeline: JoVAPipeline, latents: AVLatents, frames: int, *, given: Given | None = None
) -> Clip:
    """Latents as sampled → a clip whose audio lasts exactly as long as its `frames` pictures.

    `given` as in `decode_stream`.
    """
    check_finite(latents)
    raw = denormalise(pipeline.config, latents)
    with torch.inference_mode(), fast_fp32():
        pictures = to_frames(pipeline.codecs.video.decode(raw.video))
    audio = _decode_audio(pipeline, raw.audio, frames + _lead(given))
    chunks, audio = _put_back(pipeline, given, [pictures], audio)
    return Clip(frames=next(chunks), audio=audio, latents=latents)


def check_finite(latents: AVLatents) -> None:
    """Raises JoVAError for NaN or infinity in a stream."""
    for name, part in vars(latents).items():
        if part is not None and not torch.isfinite(part).all():
            raise JoVAError(
                f"Got {name} latents with NaN or infinity; expected numbers; lower the guidance "
                "scale or a LoRA's strength, or load the weights in fp32 if they overflow in fp16."
            )


def _decode_video(pipeline: JoVAPipeline, latents: Tensor, chunk: int) -> Iterator[Tensor]:
    chunks = pipeline.codecs.video.decode_stream(latents.split(chunk, dim=2))
    threads = torch.get_num_threads()
    while True:
        # Only while something is computed: the caller's own modes hold between two chunks. Idle
        # threads of torch spin, so all of them would keep an encoder from its work.
        torch.set_num_threads(max(1, threads // 2))
        try:
            with torch.inference_mode(), fast_fp32():
                video = next(chunks, None)
                if video is None:
                    return
                frames = to_frames(video)
        finally:
            torch.set_num_threads(threads)
        yield frames


def _decode_audio(pipeline: JoVAPipeline, latents: Tensor, frames: int) -> Tensor:
    # The products that `generate` has, so that every way to a clip gives the same audio.
    with torch.inference_mode(), fast_fp32():
        chunks = list(pipeline.codecs.audio.decode_stream(latents, chunk=AUDIO_CHUNK))
    return torch.cat(chunks, dim=1)[0, : pipeline.timeline.audio_samples(frames)].clamp(-1, 1)
