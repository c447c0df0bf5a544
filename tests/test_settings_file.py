"""A YAML file in the place of options."""

import pytest

from jova_core.__main__ import main
from jova_core.commands.settings_file import expand
from jova_core.errors import JoVAError


def test_a_file_stands_for_its_options(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(
        "out: runs/hat\ndata: clips\nsteps: 300\nno_compile: true\nresume: false\n"
        "lora:\n  rank: 8\n  audio_layers: [qkv, proj]\n"
    )
    assert expand(["train", str(file), "--steps", "5"]) == [
        *("train", "clips", "runs/hat", "--steps=300", "--no-compile"),
        *("--lora", "--lora-rank=8", "--lora-audio-layers=qkv,proj", "--steps", "5"),
    ]


def test_arguments_without_a_file_stay_as_they_are():
    assert expand(["generate", "hello", "-o", "x.mp4"]) == ["generate", "hello", "-o", "x.mp4"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("- a\n- b\n", "no options"), ("a: [1\nb: 2\n", "valid YAML"), ("", "empty")],
)
def test_a_wrong_file_gets_a_sentence(tmp_path, text, words):
    (tmp_path / "x.yml").write_text(text)
    with pytest.raises(JoVAError, match=words):
        expand(["train", str(tmp_path / "x.yml")])


def test_the_command_line_says_it_too(tmp_path, capsys):
    assert main(["train", str(tmp_path / "gone.yaml")]) == 2
    assert "does not exist" in capsys.readouterr().err
