import math

import pytest
import torch

from jova_core.mini.codecs import MiniAudioCodec, MiniVideoCodec
from jova_core.mini.codecs.adversary import Critic
from jova_core.mini.codecs.forms import FORMS
from jova_core.mini.codecs.measure import hop_buzz, seams
from jova_core.presets import PRESETS


def test_seams_are_one_for_noise_and_more_for_blocks():
    torch.manual_seed(0)
    noise = torch.randint(0, 256, (3, 96, 96, 3)).byte()
    assert 0.95 < seams(noise, 24) < 1.05
    blocks = torch.rand(3, 4, 4, 3).repeat_interleave(24, 1).repeat_interleave(24, 2)
    assert seams(200 * blocks + 0.1 * noise, 24) > 3


@pytest.mark.parametrize(("depth", "low", "high"), [(0.0, -4.0, 4.0), (0.4, 8.0, 60.0)])
def test_a_voice_modulated_at_the_hop_rate_buzzes(depth, low, high):
    generator = torch.Generator().manual_seed(1)
    time = torch.arange(32000) / 16000
    noise = torch.randn(32000, generator=generator)
    slow = 1 + 0.3 * torch.sin(2 * math.pi * 3 * time)
    wave = 0.1 * noise * slow * (1 + depth * torch.sin(2 * math.pi * 62.5 * time))
    assert low < hop_buzz(wave) < high


def test_the_critic_learns_to_tell_and_its_gradient_reaches_the_codec():
    torch.manual_seed(0)
    critic = Critic(0, learning_rate=2e-3)
    time = torch.arange(4096) / 16000
    real = 0.3 * torch.sin(2 * math.pi * (200 + 100 * torch.rand(4, 1)) * time)
    made = (0.2 * torch.randn(4, 4096)).requires_grad_(True)
    losses = [critic.learn(made, real) for _ in range(25)]
    assert losses[-1] < 0.6 * losses[0]
    critic.loss(made, real).backward()
    assert made.grad.abs().max() > 0
    assert all(p.grad is None or not p.requires_grad for p in critic.parts.parameters())


def test_forms_have_names_of_their_own_and_fit_the_package():
    for name, form in FORMS.items():
        video, audio = MiniVideoCodec(form.video), MiniAudioCodec(form.audio)
        assert video.name == PRESETS[name].video.codec
        assert audio.name == PRESETS[name].audio.codec
        size = sum(p.numel() for c in (video, audio) for p in c.parameters()) * 2
        assert size < 8e6
    with torch.no_grad():
        latent = video.encode(torch.zeros(1, 3, 5, 192, 192))
        assert latent.shape == (1, 16, 2, 24, 24)
        assert video.decode(latent).shape == (1, 3, 5, 192, 192)
        assert audio.decode(audio.encode(torch.zeros(1, 25 * 640))).shape[1] >= 25 * 640
