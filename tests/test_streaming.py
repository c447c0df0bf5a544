"""A clip decoded in chunks: the same clip, in memory that does not grow with it."""

import pytest
import torch

from jova_core.bench import decode as bench_decode
from jova_core.decoding import decode, decode_stream
from jova_core.errors import JoVAError
from jova_core.kernels import fast_fp32
from jova_core.latents import AVLatents, denormalise
from jova_core.media.pixels import to_frames
from jova_core.mini import load_pipeline


@pytest.fixture(scope="module")
def pipeline():
    return load_pipeline()


@pytest.mark.parametrize("seconds", [1 / 16, 1.0, 3.2])
@pytest.mark.parametrize("chunk", [1, 4])
def test_pieces_are_the_whole(pipeline, seconds, chunk):
    """Pixels before rounding within 1e-5; after it at most one level apart; the sound alike."""
    latents, frames = bench_decode.random_latents(pipeline, seconds)
    made = decode_stream(pipeline, latents, frames, chunk=chunk)
    chunks = list(made.frames.checked())
    film = torch.cat(chunks)
    whole = decode(pipeline, latents, frames)
    assert len(film) == frames == made.frames.count
    assert max(len(part) for part in chunks) <= 4 * chunk
    assert (film.int() - whole.frames.int()).abs().max() <= 1
    assert torch.equal(made.audio, whole.audio)
    raw = denormalise(pipeline.config, latents).video
    with torch.inference_mode(), fast_fp32():
        parts = torch.cat(list(pipeline.codecs.video.decode_stream(raw.split(chunk, 2))), dim=2)
        assert (parts - pipeline.codecs.video.decode(raw)).abs().max() < 1e-5
        assert torch.equal(to_frames(parts), film)


def test_the_sound_in_pieces_is_the_whole_sound(pipeline):
    latents, frames = bench_decode.random_latents(pipeline, 9.0)  # more than two chunks of 4 s
    raw = denormalise(pipeline.config, latents).audio
    with torch.inference_mode():
        whole = pipeline.codecs.audio.decode(raw)[0].clamp(-1, 1)
    made = decode_stream(pipeline, latents, frames).audio
    assert len(made) == pipeline.timeline.audio_samples(frames)
    assert (made - whole[: len(made)]).abs().max() < 1e-5


def test_nothing_of_the_caller_changes(pipeline):
    latents, frames = bench_decode.random_latents(pipeline, 1.0)
    threads, settings = torch.get_num_threads(), torch.backends.mkldnn.matmul
    before = settings.fp32_precision
    for _ in decode_stream(pipeline, latents, frames).frames.chunks:
        assert torch.get_num_threads() == threads
        assert settings.fp32_precision == before
        assert not torch.is_inference_mode_enabled()


def test_latents_that_are_no_numbers(pipeline):
    latents, frames = bench_decode.random_latents(pipeline, 1.0)
    broken = AVLatents(video=latents.video / 0, audio=latents.audio)
    with pytest.raises(JoVAError, match="video latents with NaN"):
        decode_stream(pipeline, broken, frames)


def test_memory_does_not_grow_with_the_clip():
    """40 s take some MB more than a second in chunks, for the sound; whole they take hundreds."""
    streamed, whole = (bench_decode.peak(way, 40.0) for way in ("streamed", "whole"))
    assert streamed < 60
    assert whole > streamed + 100
