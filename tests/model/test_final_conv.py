"""The convolutions after the head: across the borders of tokens, and nothing before training."""

import torch

from jova_core.latents import AVLatents
from jova_core.model.jova import JoVA
from jova_core.training.initialise import initialise


def test_the_final_convolution_sees_across_the_borders_of_tokens(tiny_config, tiny_model, inputs):
    """Without attention between pictures a cell depends on its own token alone, with it on more."""
    config = tiny_config(final_conv=6, patch=(1, 2, 2))
    model = tiny_model(config)
    x, t_video, t_audio, conditioning = inputs(config)

    def change(whole):
        """Where the velocity changes with the last row of the upper tokens' noisy latent."""

        def out(video):
            def skip(_block, _place, tokens, _joint, _attend):
                return tokens

            given = (AVLatents(video=video, audio=x.audio), t_video, t_audio, conditioning)
            return model(*given, run=skip, whole=whole).video

        moved = x.video.clone()
        moved[..., 1, :] += 1
        with torch.no_grad():
            return (out(moved) - out(x.video)).abs().amax((0, 1, 2, 4)) > 1e-6

    assert change(False).tolist() == [True, True] + [False] * (x.video.shape[3] - 2)
    assert change(True)[2]


def test_the_final_convolution_starts_as_nothing(tiny_config):
    model = JoVA(tiny_config(final_conv=6))
    initialise(model, 0)
    assert not model.final_conv.last.weight.any()
    assert model.final_conv.first.weight.std() > 0.01
