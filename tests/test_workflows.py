"""Every shared workflow: whole, pictured, and true to the nodes as they are, without ComfyUI."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
SCHEMA = json.loads((ROOT / "tests" / "nodes" / "schema.json").read_text(encoding="utf-8"))
IDS = [path.stem for path in WORKFLOWS]
FROM_COMFYUI = ("sampler_name", "scheduler")  # what they offer is known in ComfyUI only
OWN_FILES = {"full_size": {"checkpoint", "encoder_1", "encoder_2", "codecs", "audio_codec"}}
LARGEST_PICTURE = 60_000  # bytes
CONTROLS = ("fixed", "increment", "decrement", "randomize")  # what happens to a seed after a run


def test_the_readme_names_them():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)
    assert sorted(named) == IDS
    assert len(IDS) >= 7


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def twin_of(path):
    return read(ROOT / "tests" / "workflows" / f"{path.stem}.api.json")


def drawn(path):
    """Nodes that run, by id."""
    return {n["id"]: n for n in read(path)["nodes"] if n["type"] not in ("MarkdownNote", "Note")}


def widget_values(node):
    """The values in a node's fields by name, without the page's own field behind a seed."""
    names = [given["name"] for given in node["inputs"] if "widget" in given]
    values = list(node.get("widgets_values", []))
    after = names.index("seed") + 1 if "seed" in names else len(values)
    if after < len(values) and values[after] in CONTROLS:
        values.pop(after)
    return dict(zip(names, values, strict=True))


@pytest.mark.parametrize("path", WORKFLOWS, ids=IDS)
def test_a_workflow_is_in_the_pages_form_with_picture_and_notes(path):
    text = path.read_text(encoding="utf-8")
    assert re.search(r"(/home|/root|/tmp|/work|/Users|[A-Z]:\\\\)", text) is None
    picture = path.with_suffix(".jpg").read_bytes()
    assert picture[:2] == b"\xff\xd8"
    assert len(picture) <= LARGEST_PICTURE
    notes = [n for n in read(path)["nodes"] if n["type"] == "MarkdownNote"]
    assert notes, "it says what to change"


@pytest.mark.parametrize("path", WORKFLOWS, ids=IDS)
def test_its_links_join_sockets_of_one_type(path):
    workflow, nodes = read(path), {node["id"]: node for node in read(path)["nodes"]}
    for link, start, output, end, given, kind in workflow["links"]:
        source, target = nodes[start]["outputs"][output], nodes[end]["inputs"][given]
        assert (source["type"], target["type"]) == (kind, kind)
        assert link in source["links"]
        assert link == target["link"]
    known = {link[0] for link in workflow["links"]}
    ends = [given["link"] for node in nodes.values() for given in node.get("inputs", [])]
    assert {link for link in ends if link is not None} == known


@pytest.mark.parametrize("path", WORKFLOWS, ids=IDS)
def test_its_nodes_are_the_published_ones(path):
    twin = twin_of(path)
    for node in drawn(path).values():
        if not node["type"].startswith("JoVA"):
            continue
        told = SCHEMA[node["type"]]
        assert [[o["name"], o["type"]] for o in node["outputs"]] == told["outputs"]
        sockets = {given["name"]: given["type"] for given in node["inputs"]}
        assert sockets == {name: rule["type"].upper() for name, rule in told["inputs"].items()}
        for name, value in widget_values(node).items():
            run = twin[str(node["id"])]["inputs"][name]
            assert isinstance(run, list) or run == value, (node["type"], name)


@pytest.mark.parametrize("path", WORKFLOWS, ids=IDS)
def test_its_api_twin_runs_the_same_nodes_with_legal_values(path):
    twin = twin_of(path)
    nodes = {str(number): node["type"] for number, node in drawn(path).items()}
    unknown = {*FROM_COMFYUI, *OWN_FILES.get(path.stem, ())}
    assert {number: node["class_type"] for number, node in twin.items()} == nodes
    for node in twin.values():
        told = SCHEMA.get(node["class_type"], {"inputs": {}})["inputs"]
        for name, rule in told.items():
            where = f"{node['class_type']}.{name}"
            if name not in node["inputs"]:
                assert rule.get("optional"), f"{where} is missing"
            elif name not in unknown:
                assert legal(rule, node["inputs"][name], twin), where


def legal(rule, value, twin):
    """Whether a value of the API form, or the output it is taken from, fits an input's rule."""
    if isinstance(value, list):
        source, output = value
        outputs = SCHEMA.get(twin[source]["class_type"], {}).get("outputs")
        return outputs is None or outputs[output][1] == rule["type"].upper()
    if "min" in rule:
        return rule["min"] <= value <= rule["max"]
    return rule["type"] == "String" or value in rule.get("options", [value])
