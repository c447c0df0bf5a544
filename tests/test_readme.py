"""The README's promises, run as they stand there."""

import re
import shlex
from pathlib import Path

import pytest

from jova_core.__main__ import COMMANDS, main
from jova_core.media import probe
from jova_core.mini import MINI, load_pipeline
from jova_core.prompt_text import parse_prompt
from jova_core.vocabulary import describe_unknown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
needs_mini = pytest.mark.skipif(not MINI.exists(), reason="the bundled JoVA-mini is missing")


def block(name: str) -> str:
    found = re.search(rf"<!-- command: {name} -->\n```bash\n(.+?)\n```", README, re.DOTALL)
    return found.group(1)


@needs_mini
def test_the_first_command_makes_a_playable_clip(tmp_path, monkeypatch):
    words = shlex.split(block("run").split("&&")[-1])
    assert words[0] == ".venv/bin/jova"
    monkeypatch.chdir(tmp_path)
    assert main(words[1:]) == 0
    info = probe(tmp_path / "hello.mp4")
    assert abs(info.video.seconds - info.audio.seconds) < 1 / 16
    assert info.video.frames >= 33


@needs_mini
def test_the_prompts_it_shows_use_known_words():
    vocabulary = load_pipeline().vocabulary
    shown = re.findall(r"```text\n(<Video Caption>.+?)\n```", README)
    shown.append(shlex.split(block("run").split("&&")[-1])[2])
    for prompt in shown:
        assert describe_unknown(parse_prompt(prompt), vocabulary) == ""


def test_the_second_command_runs_these_tests():
    assert ".venv/bin/pytest" in block("test").split(" && ")[-1]


def test_every_command_in_the_table_exists():
    named = re.findall(r"^\| `jova ([\w-]+)", README, re.MULTILINE)
    assert set(named) == set(COMMANDS)


def test_files_and_pictures_it_names_exist():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file(), path
    for path in re.findall(r"`(jova_core/[\w/.]+)`", README):
        assert (ROOT / path).exists(), path
