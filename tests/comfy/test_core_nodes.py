"""docs/core_nodes.md against a real ComfyUI: every sixth node, or all when it is renewed."""

import os
import re
from pathlib import Path

import core_nodes
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "core_nodes.md"
WRITE = bool(os.environ.get("JOVA_WRITE_SNAPSHOTS"))
BLOCK = re.compile("<!-- core nodes -->\n(.*)\n<!-- /core nodes -->", re.DOTALL)


@pytest.fixture(scope="session")
def results(run_checks, tmp_path_factory):
    """What every sixth node gave, run in ComfyUI's own interpreter."""
    parts = ("0", "1") if WRITE else ("0", "6")
    found = run_checks("core_nodes.py", tmp_path_factory.mktemp("core"), *parts)
    if WRITE:
        text = PAGE.read_text(encoding="utf-8")
        new = f"<!-- core nodes -->\n{core_nodes.page(found)}\n<!-- /core nodes -->"
        PAGE.write_text(BLOCK.sub(lambda _: new, text), encoding="utf-8")
    return found


def test_each_node_stands_where_the_page_has_it(results):
    shown = BLOCK.search(PAGE.read_text(encoding="utf-8"))[1]
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert len(results) > 40
    for name, found in results.items():
        mine = core_nodes.page({name: found}).splitlines()
        (wanted,) = (line.split(" | ")[0] for line in mine if line.endswith(f"| {name} |"))
        (row,) = (row for row in rows if re.search(rf"[ ,]{name}[ ,]", row))
        assert row.split(" | ")[0] == wanted, name


def test_nothing_fails_without_a_reason():
    shown = BLOCK.search(PAGE.read_text(encoding="utf-8"))[1]
    reasons = shown.partition("## Does not work")[2].splitlines()[4:]
    assert reasons
    for row in reasons:
        assert row.split(" | ")[0].removeprefix("| ") in core_nodes.REASONS, row
