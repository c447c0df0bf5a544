"""Every shared workflow: whole, pictured, and true to the nodes as they are, without ComfyUI."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
SCHEMA = json.loads((ROOT / "tests" / "nodes" / "schema.json").read_text(encoding="utf-8"))
IDS = [path.stem for path in WORKFLOWS]
LARGEST_PICTURE = 60_000  # bytes


def test_there_are_five_and_the_readme_names_them():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)
    assert sorted(named) == IDS
    assert len(IDS) >= 5


@pytest.mark.parametrize("path", WORKFLOWS, ids=IDS)
def test_a_workflow_is_in_the_pages_form_with_picture_and_notes(path):
    text = path.read_text(encoding="utf-8")
    workflow = json.loads(text)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    assert re.search(r"(/home|/root|/tmp|/work|[A-Z]:\\\\)", text) is None
    assert path.with_suffix(".jpg").stat().st_size <= LARGEST_PICTURE
    assert [n for n in nodes.values() if n["type"] == "MarkdownNote"], "it says what to change"
    for _, start, output, end, given, kind in workflow["links"]:
        assert nodes[start]["outputs"][output]["type"] == kind
        assert nodes[end]["inputs"][given]["type"] == kind
    for node in nodes.values():
        if node["type"].startswith("JoVA"):
            told = SCHEMA[node["type"]]
            assert [o["name"] for o in node["outputs"]] == [o[0] for o in told["outputs"]]
            assert {i["name"] for i in node["inputs"]} <= set(told["inputs"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=IDS)
def test_its_api_twin_has_legal_values(path):
    twin = ROOT / "tests" / "workflows" / f"{path.stem}.api.json"
    graph = json.loads(twin.read_text(encoding="utf-8"))
    drawn = [n["type"] for n in json.loads(path.read_text(encoding="utf-8"))["nodes"]]
    assert sorted(n["class_type"] for n in graph.values()) == sorted(
        kind for kind in drawn if kind not in ("MarkdownNote", "Note")
    )
    for node in graph.values():
        told = SCHEMA.get(node["class_type"], {"inputs": {}})["inputs"]
        for name, rule in told.items():
            if name not in node["inputs"]:
                assert rule.get("optional"), f"{node['class_type']}.{name} is missing"
                continue
            value = node["inputs"][name]
            if isinstance(value, list):
                assert value[0] in graph
            elif "min" in rule:
                assert rule["min"] <= value <= rule["max"], (name, value)
            elif rule["type"] == "Combo" and node["class_type"] != "JoVASampler":
                assert value in rule["options"], (name, value)
