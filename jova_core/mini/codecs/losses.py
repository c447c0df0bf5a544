"""Losses of the mini codecs."""

import torch
from torch import Tensor

from . import MiniAudioCodec, MiniVideoCodec
from .mel import LOG_FLOOR, log_mel, magnitude, mel_filters

# Standard deviation of the noise on unit-variance latents, like the errors of a sampler.
LATENT_NOISE = 0.05
MOMENT_WEIGHT = 1e-3
# Latents beyond this many deviations are drawn back; the weight is relative to the divergence.
LATENT_REACH, TAIL_WEIGHT = 3.5, 20.0
# Charbonnier's knee on a [-1, 1] scale: squared below, absolute above.
PIXEL_KNEE = 0.3
# Windows and hops of compared spectra. But for the envelopes' they do not fall on the vocoder's
# own frames of 256 samples, else what goes wrong between two of them would cost nothing.
SPECTRA = ((256, 60), (512, 128), (1024, 240))
ENVELOPE_SPECTRUM = 512
# Envelope term: bands, frames of 8 ms per window (384 ms, the span of speech-intelligibility
# measures), step between windows, and the level under the loudest frame that counts as silence.
ENVELOPE_BANDS, ENVELOPE_WINDOW, ENVELOPE_STEP, ENVELOPE_RANGE = 20, 48, 12, 0.01


def video_loss(
    codec: MiniVideoCodec,
    noise: Tensor,
    video: Tensor,
    weight: Tensor,
    *,
    latent_noise: float = LATENT_NOISE,
    flicker_weight: float = 0.0,
    edge_weight: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """`[total, mean squared error, latent moments]` for a batch of crops, and what was decoded.

    video `[B, 3, F, H, W]` in [-1, 1], weight `[B, 1, F, H, W]`, noise like the latent.
    `latent_noise` is its deviation, `flicker_weight` weighs changes of the error from frame to
    frame, `edge_weight` squared changes from pixel to pixel, of which seams are the largest.
    """
    latent = codec.encode(video)
    moments = _moments(latent.transpose(1, 2).flatten(0, 1).flatten(2))
    decoded = codec.decode(latent + latent_noise * noise)
    error = decoded - video
    smooth = (error.square() + PIXEL_KNEE**2).sqrt() - PIXEL_KNEE
    pixel = (smooth * weight).mean() / weight.mean()
    if flicker_weight:
        pixel = pixel + flicker_weight * error.diff(dim=2).abs().mean()
    if edge_weight:
        steps = sum(error.diff(dim=axis).square().mean() for axis in (3, 4))
        pixel = pixel + edge_weight * steps / (2 * PIXEL_KNEE)
    values = torch.stack([pixel + MOMENT_WEIGHT * moments, error.square().mean(), moments])
    return values, decoded


def audio_loss(codec: MiniAudioCodec, noise: Tensor, wave: Tensor) -> tuple[Tensor, Tensor]:
    """`[total, log-mel distance, latent moments]` for crops `[B, N]`, and what was decoded."""
    latent = codec.encode(wave)
    moments = _moments(latent)
    decoded = codec.decode(latent + LATENT_NOISE * noise)
    total, mel = torch.zeros(()), torch.zeros(())
    for n_fft, hop in SPECTRA:
        output, target = magnitude(decoded, n_fft, hop), magnitude(wave, n_fft, hop)
        logs = (output.clamp(min=LOG_FLOOR).log() - target.clamp(min=LOG_FLOOR).log()).abs().mean()
        shape = (output - target).square().sum().sqrt() / (target.square().sum().sqrt() + 1)
        total = total + logs + shape
        if n_fft == ENVELOPE_SPECTRUM:
            total = total + 4 * _envelope_distance(output, target, codec.config.sample_rate)
        if n_fft == codec.config.n_fft:
            bands, rate = codec.config.mel_bands, codec.config.sample_rate
            mel = (log_mel(output, rate, bands) - log_mel(target, rate, bands)).abs().mean()
    return torch.stack([total + 3 * mel + MOMENT_WEIGHT * moments, mel, moments]), decoded


def _moments(latent: Tensor) -> Tensor:
    """Divergence of each channel of `[N, C, M]` from N(0, 1), and the squares of outliers.

    Keeps channels alive and bounded, as a diffusion model needs them.
    """
    values = latent.transpose(0, 1).flatten(1)
    variance = values.var(1) + 1e-6
    divergence = 0.5 * (values.mean(1).square() + variance - variance.log() - 1).mean()
    tails = (values.abs() - LATENT_REACH).clamp(min=0).square().mean()
    return divergence + TAIL_WEIGHT * tails


def _envelope_distance(output: Tensor, target: Tensor, sample_rate: int) -> Tensor:
    """Return 1 - correlation of band envelopes over short windows, counting only speech frames.

    output and target are magnitudes `[B, bins, M]`; each band weighs the same however soft it is.
    """
    filters = mel_filters(sample_rate, 2 * (output.shape[1] - 1), ENVELOPE_BANDS).to(output)
    level = target.square().sum(1).sqrt()
    speech = (level > ENVELOPE_RANGE * level.amax() + 1e-2).float()[:, None]
    output, target, speech = (
        part.unfold(2, ENVELOPE_WINDOW, ENVELOPE_STEP)
        for part in (*((filters @ m.square() + 1e-6).sqrt() for m in (output, target)), speech)
    )
    count = speech.sum(-1)
    output, target = (
        (part - (part * speech).sum(-1, keepdim=True) / (count[..., None] + 1e-3)) * speech
        for part in (output, target)
    )
    power = (output.square().sum(-1) + 1e-4).sqrt() * (target.square().sum(-1) + 1e-4).sqrt()
    return ((1 - (output * target).sum(-1) / power) * count).mean() / (count.mean() + 1e-3)
