"""The modulation table: the same velocities without the weights that made it."""

import pytest
import torch

from jova_core.config import PRESETS, JoVAError
from jova_core.model.jova import JoVA
from jova_core.model.modulation import ModulationTable, modulation_parameters


@pytest.fixture(params=["sequential", "parallel"])
def network(request, tiny_config, tiny_model, inputs):
    config = tiny_config(single_form=request.param)
    x, *_, conditioning = inputs(config)
    schedule = [(torch.full((2,), t), torch.full((2,), t)) for t in (900.0, 500.0, 100.0)]
    # A model of its own: layers are moved.
    model = JoVA(config).eval()
    model.load_state_dict(tiny_model(config).state_dict())
    return model, [(x, *times, conditioning) for times in schedule]


@torch.no_grad()
def test_the_same_bits_from_the_table_without_the_layers(network):
    model, calls = network
    true = [model(*arguments) for arguments in calls]
    table = ModulationTable()
    table.prepare(model, calls)
    held = sum(
        p.numel()
        for name, p in model.named_parameters()
        if name.startswith(("double_blocks", "single_blocks")) and ".mod." in name
    )
    assert table.release(model, "meta") == 4 * held
    for arguments, expected in zip(calls, true, strict=True):
        found = model(*arguments, run=table)
        assert torch.equal(found.video, expected.video)
        assert torch.equal(found.audio, expected.audio)
    x, *_, conditioning = calls[0]
    other = torch.full((2,), 333.0)
    with pytest.raises(JoVAError, match="does not hold"):
        model(x, other, other, conditioning, run=table)


@torch.no_grad()
def test_an_unforeseen_time_is_computed_and_kept(network):
    model, calls = network
    table = ModulationTable()
    assert table.nbytes == 0
    found = model(*calls[0], run=table)
    kept = table.nbytes
    assert kept > 0
    assert torch.equal(found.video, model(*calls[0]).video)
    model(*calls[0], run=table)
    assert table.nbytes == kept, "the same times need nothing new"
    model(*calls[1], run=table)
    assert table.nbytes == 2 * kept


@torch.no_grad()
def test_another_prompt_is_another_time_embedding_where_the_text_joins_it(tiny_config, inputs):
    config = tiny_config(text_refiner_blocks=1, pooled_from_text=True)
    model = JoVA(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x, video, audio, conditioning = inputs(config)
    text = (conditioning.text[0] + 1,)
    other = type(conditioning)(
        text=text, image=conditioning.image, image_mask=conditioning.image_mask
    )
    table = ModulationTable()
    model(x, video, audio, conditioning, run=table)
    found = model(x, video, audio, other, run=table)
    assert torch.equal(found.video, model(x, video, audio, other).video)


@pytest.mark.parametrize(
    ("preset", "billions"), [("mini", 0.0037), ("jova_3b2", 1.1), ("jova_24b", 8.2)]
)
def test_how_many_weights_leave(preset, billions):
    """6 d² and 6 d for each stream: four of a dual block, two of a single one."""
    config = PRESETS[preset]
    streams = 4 * config.dual_blocks + 2 * config.single_blocks
    width = config.dim
    assert modulation_parameters(config) == streams * 6 * (width**2 + width)
    assert modulation_parameters(config) / 1e9 == pytest.approx(billions, rel=0.1)
