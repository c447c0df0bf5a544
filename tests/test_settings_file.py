"""A YAML file in the place of options."""

from argparse import ArgumentParser

import pytest

from jova_core.__main__ import main
from jova_core.commands import train
from jova_core.commands.settings_file import expand as expand_for
from jova_core.errors import JoVAError


def expand(arguments):
    """As `jova train` reads them."""
    parser = ArgumentParser()
    train.add_options(parser)
    return expand_for(arguments, parser)


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stesp: 3\n", "Got stesp .* write steps"),
        ("learn: false\n", "Got learn .* expected the name"),
        ("steps: false\n", "Got steps: false .* expected a value"),
        ("lora:\n  ranks: 8\n", "Got lora_ranks .* write lora_rank"),
    ],
)
def test_a_name_that_does_nothing_is_refused(tmp_path, text, words):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(JoVAError, match=words):
        expand(["train", str(tmp_path / "x.yaml")])


def test_false_switches_off(tmp_path):
    (tmp_path / "x.yaml").write_text(
        "compile: false\nshard: false\nno_compile: false\nresume: true\n"
    )
    assert expand(["train", str(tmp_path / "x.yaml")]) == ["train", "--no-compile", "--resume"]


def test_true_is_the_default_of_what_can_be_switched_off(tmp_path):
    (tmp_path / "x.yaml").write_text("compile: true\n")
    assert expand(["train", str(tmp_path / "x.yaml")]) == ["train"]
