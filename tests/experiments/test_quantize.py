"""The figures of experiments/quantize.md are those of its script."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_holds_the_errors_of_each_shape():
    spec = importlib.util.spec_from_file_location("quantize", ROOT / "experiments" / "quantize.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (ROOT / "experiments" / "quantize.md").read_text(encoding="utf-8")
    for name, (out, into) in script.shapes().items():
        row = re.search(rf"^\| {name} {out} × {into} \| (.*) \|$", page, re.MULTILINE)[1]
        shown = [float(text) for text in re.findall(r"[\d.]+", row)]
        found = script.errors((out, into)) if name == "proj" else None
        assert len(shown) == 4
        if found is not None:  # the others take longer and differ by a per mille
            measured = [v for each in found.values() for v in each.values()]
            assert all(abs(a - b) < 2e-4 for a, b in zip(shown, measured, strict=True))
