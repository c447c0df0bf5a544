"""What people build of core's nodes and ours, in a real ComfyUI: each graph has its right value."""

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACK = HERE.parents[1]


def _graphs():
    spec = importlib.util.spec_from_file_location("jova_graphs", HERE / "graphs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GRAPHS = _graphs()


@pytest.fixture(scope="session")
def results(comfy_root, comfy_python, comfy_environment, tmp_path_factory):
    """What became of every check, run once in ComfyUI's own interpreter."""
    cases = Path(os.environ.get("JOVA_SHARED", PACK.parent / "shared")) / "cases" / "graph"
    if not cases.is_dir():
        pytest.skip("the reported graphs are not beside the repository")
    folder = tmp_path_factory.mktemp("graphs")
    (folder / "ComfyUI-JoVA").symlink_to(PACK)
    places = (folder / "ComfyUI-JoVA", cases, folder, folder / "results.json")
    done = subprocess.run(
        [comfy_python, HERE / "graphs.py", comfy_root, *places],
        capture_output=True,
        text=True,
        check=False,
        env=comfy_environment,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(places[-1].read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", list(GRAPHS.CHECKS))
def test_the_graph_gives_its_right_value(results, name):
    assert not results[name], results[name]
