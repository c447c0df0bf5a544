"""Text tokens that no sample of a batch uses."""

from dataclasses import replace

import torch

from jova_core.config import TextEncoderSpec


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
