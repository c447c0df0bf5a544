"""Two checkpoints become one: each branch is that of its own, to the last tensor."""

import pytest
import torch

from jova_core.__main__ import main
from jova_core.model.branches import branch_of_tensor
from jova_core.model.checkpoint import load_jova, save_jova
from jova_core.model.jova import JoVA


@pytest.fixture
def pair(tiny_config, tmp_path):
    """Paths of two checkpoints whose weights are all 1 and all 2, with everything optional."""
    config = tiny_config(final_conv=4, learned_pos="factorised", learned_pos_size=(4, 3, 3))
    paths = []
    for value in (1, 2):
        tensors = {n: torch.full_like(t, value) for n, t in JoVA(config).state_dict().items()}
        paths.append(tmp_path / f"{value}.safetensors")
        save_jova(paths[-1], tensors, config, {"vocabulary": ["one"], "of": value})
    return paths


def test_each_branch_is_that_of_its_own(pair, tmp_path):
    out = tmp_path / "out.safetensors"
    assert main(["join", *map(str, pair), str(out)]) == 0
    made = load_jova(out)
    values = {"v": 1, "a": 2}
    for name, tensor in made.tensors.items():
        assert (tensor == values[branch_of_tensor(name)]).all(), name
    assert made.notes["of"] == 1


def test_a_step_of_one_stream_has_gradients_in_its_own_branch_alone(tiny_config, inputs):
    config = tiny_config(final_conv=4)
    model = JoVA(config)
    x, t_video, t_audio, conditioning = inputs(config)
    for stream, branch in (("video", "v"), ("audio", "a")):
        alone = type(x)(**{stream: getattr(x, stream)})
        getattr(model(alone, t_video, t_audio, conditioning), stream).sum().backward()
        found = {branch_of_tensor(n) for n, p in model.named_parameters() if p.grad is not None}
        assert found == {branch}
        model.zero_grad(set_to_none=True)


def test_checkpoints_that_do_not_belong_together(pair, tiny_config, tmp_path, capsys):
    others = {"config": (tiny_config(), ["one"]), "words": (load_jova(pair[0]).config, ["two"])}
    for what, (config, words) in others.items():
        other = tmp_path / "other.safetensors"
        save_jova(other, JoVA(config).state_dict(), config, {"vocabulary": words})
        assert main(["join", str(pair[0]), str(other), str(tmp_path / "out.safetensors")]) == 2
        assert what in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
