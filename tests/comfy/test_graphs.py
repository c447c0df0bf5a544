"""What people build of core's nodes and ours, in a real ComfyUI: each graph has its right value."""

import os
from pathlib import Path

import graphs
import pytest

PACK = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def results(run_checks, tmp_path_factory):
    """What became of every check, run once in ComfyUI's own interpreter."""
    cases = Path(os.environ.get("JOVA_SHARED", PACK.parent / "shared")) / "cases" / "graph"
    if not cases.is_dir():
        pytest.skip("the reported graphs are not beside the repository")
    return run_checks("graphs.py", cases, tmp_path_factory.mktemp("graphs"))


@pytest.mark.parametrize("name", list(graphs.CHECKS))
def test_the_graph_gives_its_right_value(results, name):
    assert not results[name], results[name]
