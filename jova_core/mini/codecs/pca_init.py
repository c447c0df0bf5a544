"""The start of the mini codecs' training: the best linear codec of a few clips.

Both networks have a linear path from input to latent to output, and their residual blocks start
at zero; so a few seconds of linear algebra replace the first minutes of descent.
"""

import math

import torch
from torch import Tensor, nn

from . import MiniAudioCodec, MiniVideoCodec
from .audio import FEATURE_SCALE, LEVEL_OFFSET
from .mel import LOG_FLOOR, mel_filters
from .video import FINE_STRIDE, frame_groups


@torch.no_grad()
def start_video(codec: MiniVideoCodec, video: Tensor) -> None:
    """Set the codec's linear path to the principal components of `video` `[B, 3, F, H, W]`."""
    encoder, decoder, config = codec.encoder, codec.decoder, codec.config
    for layer in (encoder.patch, encoder.fold, encoder.head, decoder.stem, decoder.unfold):
        nn.init.zeros_(layer.bias)
    nn.init.zeros_(encoder.patch.weight)[:48] = torch.eye(48).view(48, 3, 4, 4)
    # Residual blocks start at zero, so these are the pixels themselves, in the codec's own order.
    blocks = encoder.gather(frame_groups(video)).transpose(0, 1).flatten(1)
    mean, basis, scale = _components(blocks, config.width)
    encoder.fold.weight.copy_((basis / scale).T[:, :, None, None])
    encoder.fold.bias.copy_(-(mean.T @ basis / scale)[0])
    channels = config.latent_channels
    encoder.head.weight.mul_(0.1)[:, :channels] += torch.eye(channels)[:, :, None, None]
    # The decoder's features are the coefficients themselves: its blocks only have to guess the
    # fine ones from the coarse ones that the latent carries.
    nn.init.zeros_(decoder.stem.weight)[:channels, :, 1, 1] = torch.eye(channels)
    decoder.unfold.weight.copy_((basis * scale)[:, :, None, None])
    decoder.unfold.bias.copy_(mean[:, 0])
    count = 3 * FINE_STRIDE**2
    decoder.pixels.weight[:count].zero_()[:, :count, 1, 1] = torch.eye(count)
    nn.init.zeros_(decoder.pixels.bias)


@torch.no_grad()
def start_audio(codec: MiniAudioCodec, wave: Tensor) -> None:
    """Set the codec's linear path to the principal components of log-mel pairs of `wave` `[B, N]`.

    The first spectrum is then the mel envelope spread over the bins, with phase 0.
    """
    config, bands = codec.config, codec.config.mel_bands
    first, last = codec.encoder[0], codec.encoder[-1]
    pairs = codec.features(wave).unflatten(2, (-1, 2)).permute(1, 3, 0, 2).reshape(2 * bands, -1)
    mean, basis, scale = _components(pairs, config.latent_channels)
    for layer in (first, last, codec.stem, codec.head):
        nn.init.zeros_(layer.bias)
    nn.init.zeros_(first.weight[:bands])[:, :, 0, 1] = torch.eye(bands)
    into = (basis / scale).T.unflatten(1, (bands, 2))
    last.weight.mul_(0.1)[:, :bands, 0] += into
    last.bias.copy_(-(mean.T @ basis / scale)[0])
    # The stem's channels are (frame of the pair, feature); the first features are the mel bands.
    back = (basis * scale).unflatten(0, (bands, 2)).transpose(0, 1)
    stem, bias = codec.stem.weight.unflatten(0, (2, -1)), codec.stem.bias.unflatten(0, (2, -1))
    stem.mul_(0.3)[:, :bands] = 0
    stem[:, :bands, :, 0, 1] = back
    bias[:, :bands] = mean[:, 0].unflatten(0, (bands, 2)).T
    spread = mel_filters(config.sample_rate, config.n_fft, bands).T
    spread = spread / spread.sum(1, keepdim=True).clamp(min=1e-6)
    bins = spread.shape[0]
    codec.head.weight.mul_(0.1)[bins:] = 0
    codec.head.weight[:bins, :bands] = FEATURE_SCALE * spread[:, :, None, None]
    codec.head.bias[:bins] = math.log(LOG_FLOOR) - LEVEL_OFFSET


def _components(data: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean `[D, 1]`, the first principal directions `[D, count]` and their deviations."""
    mean = data.mean(1, keepdim=True)
    values, basis = torch.linalg.eigh((data - mean) @ (data - mean).T / data.shape[1])
    return mean, basis.flip(1)[:, :count], values.flip(0)[:count].clamp(min=4e-4).sqrt()
