"""Stock nodes on a JoVA in a real ComfyUI: each line of the PAGE's table is one of these."""

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "compatibility.md"


def _compat():
    spec = importlib.util.spec_from_file_location("jova_compat", HERE / "compat.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COMPAT = _compat()


@pytest.fixture(scope="session")
def results(comfy_root, comfy_python, comfy_environment, tmp_path_factory):
    """Results of every check, run once in ComfyUI's own interpreter."""
    folder = tmp_path_factory.mktemp("compat")
    pack = folder / "ComfyUI-JoVA"
    pack.symlink_to(HERE.parents[1])
    out = folder / "results.json"
    process = subprocess.run(
        [comfy_python, HERE / "compat.py", comfy_root, pack, out],
        capture_output=True,
        text=True,
        check=False,
        env=comfy_environment,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    checked = json.loads(out.read_text(encoding="utf-8"))
    if os.environ.get("JOVA_WRITE_SNAPSHOTS"):
        text = PAGE.read_text(encoding="utf-8")
        new = f"<!-- compatibility -->\n{COMPAT.table(checked)}\n<!-- /compatibility -->"
        pattern = "<!-- compatibility -->.*<!-- /compatibility -->"
        PAGE.write_text(re.sub(pattern, lambda _: new, text, flags=re.S), encoding="utf-8")
    return checked


@pytest.mark.parametrize("name", list(COMPAT.CHECKS))
def test_it_works(results, name):
    assert results[name]["works"], results[name]["detail"]


def test_the_readme_lists_every_check():
    text = PAGE.read_text(encoding="utf-8")
    block = re.search("<!-- compatibility -->(.*)<!-- /compatibility -->", text, re.S)[1]
    shown = [line.split(" | ")[0].strip("| ") for line in block.strip().splitlines()[2:]]
    fake = {name: {"works": True, "detail": "0 1.0"} for name in COMPAT.CHECKS}
    wanted = [line.split(" | ")[0].strip("| ") for line in COMPAT.table(fake).splitlines()[2:]]
    assert shown == wanted
