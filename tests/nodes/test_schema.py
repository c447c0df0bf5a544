"""The nodes' public face, read without ComfyUI: ids, inputs and outputs never change unnoticed."""

import ast
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SNAPSHOT = HERE / "schema.json"
NODES_PAGE = ROOT / "docs" / "nodes.md"
WRITE = bool(os.environ.get("JOVA_WRITE_SNAPSHOTS"))
HOST = {"comfy", "comfy_extras", "folder_paths", "server", "node_helpers", "nodes", "aiohttp"}


@pytest.fixture(scope="module")
def report():
    """What the pack says when it is loaded as ComfyUI loads it."""
    done = subprocess.run(
        [sys.executable, HERE / "comfy_stub.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def public(schemas):
    """What graphs and scripts rely on."""
    kept = ("type", "default", "min", "max", "step", "optional", "advanced", "options")
    return {
        schema["node_id"]: {
            "title": schema["display_name"],
            "category": schema["category"],
            "inputs": {i["id"]: {k: i[k] for k in kept if k in i} for i in schema["inputs"]},
            "outputs": [[o["name"], o["type"].upper()] for o in schema["outputs"]],
        }
        for schema in schemas
    }


def node_table(schemas):
    """The NODES_PAGE's table."""
    lines = ["| Node | Does |", "|---|---|"]
    return "\n".join([*lines, *(f"| {s['display_name']} | {s['description']} |" for s in schemas)])


def test_the_schema_is_the_published_one(report):
    now = json.dumps(public(report["schemas"]), indent=1) + "\n"
    if WRITE:
        SNAPSHOT.write_text(now, encoding="utf-8")
    known = SNAPSHOT.read_text(encoding="utf-8")
    lines = (text.splitlines(keepends=True) for text in (known, now))
    difference = "".join(difflib.unified_diff(*lines, "published", "now", n=8))
    if difference:
        advice = "if it may change, JOVA_WRITE_SNAPSHOTS=1 pytest tests/nodes renews it"
        pytest.fail(f"graphs rely on the schema; {advice}:\n{difference}", pytrace=False)


def test_the_page_of_nodes_shows_them(report):
    text, table = NODES_PAGE.read_text(encoding="utf-8"), node_table(report["schemas"])
    if WRITE:
        new = f"<!-- nodes -->\n{table}\n<!-- /nodes -->"
        text = re.sub("<!-- nodes -->.*<!-- /nodes -->", lambda _: new, text, flags=re.S)
        NODES_PAGE.write_text(text, encoding="utf-8")
    assert f"<!-- nodes -->\n{table}\n<!-- /nodes -->" in text, "JOVA_WRITE_SNAPSHOTS=1 renews it"


def test_everything_is_explained(report):
    for schema in report["schemas"]:
        assert schema["node_id"].startswith("JoVA")
        assert len(schema["description"]) > 20, schema["node_id"]
        assert "jova" in schema["search_aliases"]
        for given in schema["inputs"]:
            assert len(given.get("tooltip", "")) > 5, (schema["node_id"], given["id"])
        page = ROOT / "js" / "docs" / f"{schema['node_id']}.md"
        assert f"({schema['node_id']}.png)" in page.read_text(encoding="utf-8")
        assert page.with_suffix(".png").is_file()


@pytest.mark.parametrize("path", sorted((ROOT / "js").rglob("*.js")), ids=lambda path: path.name)
def test_a_script_of_the_page_can_be_parsed(path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing")
    # By its name node takes a .js file for CommonJS, and then reports no error in a module.
    command = [node, "--input-type=module", "--check", "-"]
    done = subprocess.run(
        command, input=path.read_text(encoding="utf-8"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_importing_costs_little_and_brings_nothing_heavy(report):
    assert report["heavy"] == []
    assert not report["v1"], "NODE_CLASS_MAPPINGS would hide the V3 nodes"
    assert report["web"] == "./js"
    assert report["seconds"] < 3


@pytest.mark.parametrize(
    "path", sorted((ROOT / "nodes").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT))
)
def test_nodes_are_thin_and_only_the_adapter_knows_comfyui(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 400
    adapter = path.parent.name == "_comfy"
    for part in ast.walk(tree):
        if isinstance(part, ast.FunctionDef):
            length = part.end_lineno - part.lineno + 1
            limit = 25 if part.name == "execute" else 105 if part.name == "define_schema" else 60
            assert length <= limit, f"{part.name} has {length} lines"
        names = []
        if isinstance(part, ast.Import):
            names = [alias.name for alias in part.names]
        elif isinstance(part, ast.ImportFrom) and part.level == 0:
            names = [part.module]
        outside = {name.split(".")[0] for name in names}
        assert "jova_core" not in outside, "the pack imports itself relatively"
        assert adapter or not outside & HOST, f"{outside & HOST} outside nodes/_comfy"
