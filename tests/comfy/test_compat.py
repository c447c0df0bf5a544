"""Stock nodes on a JoVA in a real ComfyUI: each line of the PAGE's table is one of these."""

import os
import re
from pathlib import Path

import compat
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


@pytest.fixture(scope="session")
def results(run_checks):
    """Results of every check, run once in ComfyUI's own interpreter."""
    checked = run_checks("compat.py")
    if os.environ.get("JOVA_WRITE_SNAPSHOTS"):
        text = PAGE.read_text(encoding="utf-8")
        new = f"<!-- compatibility -->\n{compat.table(checked)}\n<!-- /compatibility -->"
        pattern = "<!-- compatibility -->.*<!-- /compatibility -->"
        PAGE.write_text(re.sub(pattern, lambda _: new, text, flags=re.S), encoding="utf-8")
    return checked


@pytest.mark.parametrize("name", list(compat.CHECKS))
def test_it_works(results, name):
    assert results[name]["works"], results[name]["detail"]


def test_the_readme_lists_every_check():
    text = PAGE.read_text(encoding="utf-8")
    block = re.search("<!-- compatibility -->(.*)<!-- /compatibility -->", text, re.S)[1]
    shown = [line.split(" | ")[0].strip("| ") for line in block.strip().splitlines()[2:]]
    fake = {name: {"works": True, "detail": "0 1.0"} for name in compat.CHECKS}
    wanted = [line.split(" | ")[0].strip("| ") for line in compat.table(fake).splitlines()[2:]]
    assert shown == wanted
