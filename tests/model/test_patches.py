"""Latents become tokens and come back unchanged, whatever the size."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from jova_core.model.patches import audio_latent, audio_tokens, video_latent, video_tokens

small = st.integers(1, 7)


@given(st.tuples(small, small, small), st.tuples(st.just(1), st.integers(1, 3), st.integers(1, 3)))
def test_video_round_trip(size, patch):
    x = torch.arange(2 * 3 * size[0] * size[1] * size[2]).float().view(2, 3, *size) + 1
    tokens, grid = video_tokens(x, patch)
    assert grid == (size[0], -(-size[1] // patch[1]), -(-size[2] // patch[2]))
    assert tokens.shape == (2, grid[0] * grid[1] * grid[2], 3 * patch[1] * patch[2])
    assert torch.equal(video_latent(tokens, grid, patch, size[1:]), x)
    assert (tokens == 0).sum() == tokens.numel() - x.numel()  # the rest is padding


@given(st.integers(1, 20), st.integers(1, 5))
def test_audio_round_trip(length, patch):
    x = torch.arange(2 * 3 * length).float().view(2, 3, length) + 1
    tokens = audio_tokens(x, patch)
    assert tokens.shape == (2, -(-length // patch), 3 * patch)
    assert torch.equal(audio_latent(tokens, patch, length), x)


def test_a_video_token_is_its_patch_in_channel_row_column_order():
    """As a convolution over patches, which backbones use, lays out its weight."""
    x = torch.arange(2 * 2 * 4 * 6).float().view(1, 2, 2, 4, 6)
    tokens, grid = video_tokens(x, (1, 2, 3))
    assert grid == (2, 2, 2)
    assert torch.equal(tokens[0, 5], x[0, :, 1, 0:2, 3:6].flatten())


def test_an_audio_token_is_channel_then_time():
    x = torch.arange(2 * 6).float().view(1, 2, 6)
    assert torch.equal(audio_tokens(x, 3)[0, 1], x[0, :, 3:6].flatten())
