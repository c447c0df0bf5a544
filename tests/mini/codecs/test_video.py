import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mini.codecs import MiniVideoCodec, VideoCodecConfig


@pytest.fixture(scope="module")
def codec():
    """A small codec whose residual blocks do something, unlike at the start of training."""
    torch.manual_seed(0)
    config = VideoCodecConfig(width=24, fine_width=16, encoder_blocks=3, decoder_blocks=3)
    codec = MiniVideoCodec(config).eval().requires_grad_(False)
    for name, value in codec.named_parameters():
        if ".out." in name:
            value.normal_(std=0.1)
    return codec


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 24, 24), (5, 16, 40), (13, 48, 24)])
def test_shapes_follow_4_8_8_for_any_multiple_of_8(codec, frames, height, width):
    video = noise(2, 3, frames, height, width)
    latent = codec.encode(video)
    assert latent.shape == (2, 16, (frames + 3) // 4, height // 8, width // 8)
    made = codec.decode(latent)
    assert made.shape == video.shape
    assert made.abs().max() <= 1


def test_latent_sees_no_later_frame(codec):
    video = noise(1, 3, 17, 24, 24)
    changed = video.clone()
    changed[:, :, 9:] = noise(1, 3, 8, 24, 24)
    before, after = codec.encode(video), codec.encode(changed)
    torch.testing.assert_close(before[:, :, :3], after[:, :, :3])
    assert (before[:, :, 3] - after[:, :, 3]).abs().max() > 1e-3


def test_decoded_frame_sees_no_later_latent(codec):
    latent = noise(1, 16, 5, 3, 3)
    changed = latent.clone()
    changed[:, :, 3:] += 1
    before, after = codec.decode(latent), codec.decode(changed)
    torch.testing.assert_close(before[:, :, :9], after[:, :, :9])
    assert (before[:, :, 9:] - after[:, :, 9:]).abs().amax((0, 1, 3, 4)).min() > 1e-3


def test_image_is_the_first_frame_of_its_video(codec):
    video = noise(1, 3, 9, 24, 24)
    torch.testing.assert_close(codec.encode(video[:, :, :1]), codec.encode(video)[:, :, :1])


@pytest.mark.parametrize("runs", [1, 2, 5])
def test_stream_equals_decode(codec, runs):
    latent = noise(2, 16, 5, 3, 4)
    whole = codec.decode(latent)
    pieces = list(codec.decode_stream(latent))
    assert [piece.shape[2] for piece in pieces] == [1, 4, 4, 4, 4]
    torch.testing.assert_close(torch.cat(pieces, 2), whole, atol=1e-5, rtol=0)
    fed = torch.cat(list(codec.decode_stream(iter(latent.split(runs, 2)))), 2)
    torch.testing.assert_close(fed, whole, atol=1e-5, rtol=0)


def test_clips_of_a_batch_do_not_mix(codec):
    video = noise(3, 3, 9, 24, 24)
    one_by_one = torch.cat([codec.encode(clip[None]) for clip in video])
    torch.testing.assert_close(codec.encode(video), one_by_one, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        codec.decode(one_by_one),
        torch.cat([codec.decode(latent[None]) for latent in one_by_one]),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize(
    ("shape", "word"),
    [((1, 3, 8, 24, 24), "4n"), ((1, 3, 5, 20, 24), "multiples of 8"), ((1, 1, 5, 24, 24), "3")],
)
def test_wrong_video_is_told_in_one_sentence(codec, shape, word):
    with pytest.raises(JoVAError, match=word):
        codec.encode(torch.zeros(shape))


def test_wrong_latent_is_told_in_one_sentence(codec):
    with pytest.raises(JoVAError, match="16"):
        codec.decode(torch.zeros(1, 8, 3, 3, 3))
