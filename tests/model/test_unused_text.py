"""Text tokens that no sample of a batch uses."""

from dataclasses import replace

import torch

from jova_core.config import TextEncoderSpec
from jova_core.latents import Conditioning
from jova_core.model.unused_text import mean_used


def test_unused_text_takes_no_part_where_the_config_drops_it(tiny_config, tiny_model, inputs):
    x, t_video, t_audio, told = inputs(tiny_config())

    def velocity(choice, tokens):
        """With three used tokens of so many."""
        spec = TextEncoderSpec(name="one", width=12, max_tokens=tokens)
        text = torch.zeros(len(x.video), tokens, 12)
        text[:, :3] = torch.linspace(-1, 1, 36).view(3, 12)
        model = tiny_model(tiny_config(unused_text=choice, text=(spec,)))
        with torch.no_grad():
            return model(x, t_video, t_audio, replace(told, text=(text,))).video

    for choice, differs in (("kept", True), ("dropped", False)):
        change = float((velocity(choice, 8) - velocity(choice, 40)).abs().max())
        assert (change > 1e-4) == differs, choice


def test_the_pooled_text_is_that_of_a_samples_own_tokens():
    """However long the texts beside it in a batch are."""
    features = torch.zeros(3, 16, 12)
    features[0, :3], features[1, :16] = torch.randn(3, 12), torch.randn(16, 12)
    tokens = torch.randn(3, 16, 8)
    made = mean_used(tokens, Conditioning(text=(features,)))
    torch.testing.assert_close(made[0], tokens[0, :3].mean(0))
    torch.testing.assert_close(made[1], tokens[1].mean(0))
    torch.testing.assert_close(made[2], tokens[2, 0])  # nothing is said
