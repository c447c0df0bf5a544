"""Graphs that people really build, each with its right value; run by ComfyUI's own interpreter.

    python graphs.py COMFYUI PACK CASES OUTPUT RESULTS.json [NAME …]

CASES is the folder with reported graphs in API form.
"""

import json
import sys
import traceback
from pathlib import Path

import graphs_core  # noqa: F401  each file registers its checks
import graphs_masks  # noqa: F401
import graphs_runs  # noqa: F401
import graphs_said  # noqa: F401
import graphs_training  # noqa: F401
from graph_world import CHECKS, World


def main(root, pack, cases, output, results, *names):
    """Run the checks and write what became of them."""
    from host import Graph, boot

    nodes = boot(root, pack)
    import folder_paths

    folder_paths.set_output_directory(output)
    folder_paths.set_temp_directory(str(Path(output) / "temp"))
    world, found = World(Graph(nodes), Path(cases)), {}
    for name, function in CHECKS.items():
        if names and not any(part in name for part in names):
            continue
        try:
            function(world)
            found[name] = ""
        except BaseException as error:
            lines = traceback.format_exception(error)
            found[name] = "".join(lines)[-900:] or repr(error)
        print(name, "ok" if not found[name] else found[name], flush=True)  # noqa: T201
    Path(results).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
