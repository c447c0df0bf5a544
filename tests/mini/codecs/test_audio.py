import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mini.codecs import AudioCodecConfig, MiniAudioCodec
from jova_core.mini.codecs.mel import inverse_spectrum, spectrum


@pytest.fixture(scope="module")
def codec():
    """A small codec whose residual blocks do something, unlike at the start of training."""
    torch.manual_seed(0)
    config = AudioCodecConfig(encoder_width=16, decoder_width=24, decoder_blocks=2)
    codec = MiniAudioCodec(config).eval().requires_grad_(False)
    for name, value in codec.named_parameters():
        if ".down." in name:
            value.normal_(std=0.3)
    return codec


def noise(*shape):
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("samples", [1, 512, 513, 33000])
def test_shapes_are_whole_latents_of_512_samples(codec, samples):
    latent = codec.encode(noise(2, samples))
    assert latent.shape == (2, 20, -(-samples // 512))
    assert codec.decode(latent).shape == (2, 512 * latent.shape[2])


def test_tail_is_filled_with_silence(codec):
    wave = noise(1, 1300)
    padded = torch.nn.functional.pad(wave, (0, 236))
    torch.testing.assert_close(codec.encode(wave), codec.encode(padded))


def test_spectrum_and_its_inverse_agree():
    wave = noise(2, 4096)
    made = inverse_spectrum(spectrum(wave, 1024, 256), 256)
    torch.testing.assert_close(made, wave, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("run", "chunk"), [(40, 16), (1, 4), (7, 3), (40, 100)])
def test_stream_equals_decode(codec, run, chunk):
    latent = noise(2, 20, 40)
    pieces = list(codec.decode_stream(iter(latent.split(run, 2)), chunk=chunk))
    torch.testing.assert_close(torch.cat(pieces, 1), codec.decode(latent), atol=1e-4, rtol=0)


def test_stream_of_nothing_is_nothing(codec):
    assert list(codec.decode_stream(iter([]))) == []


def test_samples_depend_on_the_stated_context_only(codec):
    latent = noise(1, 20, 60)
    changed = latent.clone()
    changed[:, :, 30 + codec.context :] += 1
    changed[:, :, : 30 - codec.context] += 1
    here = slice(30 * 512, 31 * 512)
    torch.testing.assert_close(codec.decode(latent)[:, here], codec.decode(changed)[:, here])


@pytest.mark.parametrize("shape", [(16000,), (1, 0), (1, 2, 16000)])
def test_wrong_wave_is_told_in_one_sentence(codec, shape):
    with pytest.raises(JoVAError, match="mono"):
        codec.encode(torch.zeros(shape))


def test_wrong_latent_is_told_in_one_sentence(codec):
    with pytest.raises(JoVAError, match="20"):
        codec.decode(torch.zeros(1, 40, 3))
