"""A checkpoint describes itself; a wrong, truncated or foreign file is one clear sentence."""

import json

import pytest
import torch
from safetensors.torch import save_file

from jova_core.errors import JoVAError
from jova_core.model.checkpoint import ABOUT, about_tensor, load_jova, metadata_of, save_jova


@pytest.fixture
def saved(tmp_path, tiny_config, tiny_model):
    config = tiny_config(text_refiner_blocks=1)
    model = tiny_model(config)
    path = tmp_path / "tiny.safetensors"
    save_jova(path, model.state_dict(), config, {"words": ["hello"], "samples": 3})
    return path, config, model


def test_round_trip(saved, inputs):
    path, config, model = saved
    checkpoint = load_jova(path)
    assert checkpoint.config == config
    assert checkpoint.notes == {"words": ["hello"], "samples": 3}
    arguments = inputs(config)
    model.requires_grad_(False)  # torch picks another matrix product for weights with gradients
    with torch.no_grad():
        ours, theirs = checkpoint.model()(*arguments), model(*arguments)
    assert torch.equal(ours.video, theirs.video)
    assert torch.equal(ours.audio, theirs.audio)
    assert {p.dtype for p in checkpoint.model(torch.bfloat16).parameters()} == {torch.bfloat16}
    assert list(path.parent.iterdir()) == [path]


def test_a_truncated_file(saved):
    path, *_ = saved
    data = path.read_bytes()
    for size in (0, 1, 7, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(JoVAError, match=r"tiny\.safetensors"):
            load_jova(path)


def test_missing_file_folder_and_other_files(tmp_path):
    text = tmp_path / "note.safetensors"
    text.write_text("hello, I am no checkpoint", encoding="utf-8")
    for path in (tmp_path / "absent.safetensors", tmp_path, text):
        with pytest.raises(JoVAError) as error:
            load_jova(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)


def test_a_foreign_checkpoint(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"unet.conv.weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    with pytest.raises(JoVAError, match="not a JoVA checkpoint"):
        load_jova(path)
    with pytest.raises(JoVAError, match="preset 'huge' is unknown; use one of mini"):
        load_jova(path, preset="huge")
    with pytest.raises(JoVAError, match="match no preset"):
        load_jova(path, preset="mini")


@pytest.mark.parametrize(
    "metadata",
    [
        {"format": "jova-1"},
        {"format": "jova-1", "config": "{}", "notes": "{}"},
        {"format": "jova-1", "config": "CONFIG"},
        {"format": "jova-1", "config": "CONFIG", "notes": "{"},
    ],
)
def test_damaged_metadata(metadata, saved):
    path, config, model = saved
    metadata = {key: value.replace("CONFIG", config.to_json()) for key, value in metadata.items()}
    save_file(model.state_dict(), path, metadata=metadata)
    with pytest.raises(JoVAError):
        load_jova(path)


def test_tensors_that_do_not_fit_the_config(saved):
    path, config, model = saved
    tensors = model.state_dict()
    first = next(iter(tensors))
    metadata = {"format": "jova-1", "config": config.to_json(), "notes": json.dumps({})}
    for wrong in (
        {k: v for k, v in tensors.items() if k != first},
        tensors | {"extra": torch.zeros(1)},
        tensors | {first: torch.zeros(2)},
    ):
        save_file(wrong, path, metadata=metadata)
        with pytest.raises(JoVAError, match=r"(first extra|first branches)"):
            load_jova(path)


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_programs_that_write_metadata_of_their_own(saved, tmp_path, prefix):
    path, config, model = saved
    notes = {"words": ["hello"], "samples": 3}
    kept = {prefix + name: value for name, value in model.state_dict().items()}
    other = tmp_path / "other.safetensors"
    save_file({**kept, ABOUT: about_tensor(metadata_of(config, notes))}, other)
    again = load_jova(other)
    assert (again.config, again.notes) == (config, notes)
    assert all(torch.equal(again.tensors[k], v) for k, v in load_jova(path).tensors.items())
    save_file({**kept, ABOUT: torch.zeros(3, dtype=torch.uint8)}, other)
    with pytest.raises(JoVAError, match="damaged metadata"):
        load_jova(other)


def test_a_preset_that_the_file_does_not_fit(saved):
    with pytest.raises(JoVAError, match=r"not a JoVA checkpoint|Got the preset mini"):
        load_jova(saved[0], preset="mini")
