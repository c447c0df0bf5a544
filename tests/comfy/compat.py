"""ComfyUI's nodes with JoVA models: each check runs stock nodes on our MODEL, LATENT, CLIP or VAE.

    python compat.py COMFYUI PACK RESULTS.json [NAME …]

Run by ComfyUI's own interpreter.
"""

import json
import sys
import traceback
from pathlib import Path

import compat_codecs  # noqa: F401  each file registers its checks
import compat_models  # noqa: F401
import compat_sampling  # noqa: F401
import compat_tasks  # noqa: F401
from world import CHECKS, TITLES, World


def table(checked):
    """Markdown rows of the results."""
    groups = {}
    for name, result in checked.items():
        kind, _, variant = name.partition("/")
        groups.setdefault(kind, []).append((variant, result))
    lines = ["| With | Works | Measured |", "|---|---|---|"]
    for kind, results in groups.items():
        variants = [variant for variant, _ in results if variant]
        title = f"{kind}: {', '.join(variants)}" if variants else TITLES[kind]
        works = all(result["works"] for _, result in results)
        details = [result["detail"] for _, result in results]
        values = [float(detail.rsplit(" ", 1)[1]) for detail in details] if variants else []
        measured = details[0]
        if variants:
            measured = f"correlation with KSampler/euler's clip {min(values):.2f} or more"
        lines.append(f"| {title} | {'yes' if works else 'no'} | {measured} |")
    return "\n".join(lines)


def main():
    import os

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    root, pack, results, *names = sys.argv[1:]
    import host

    nodes = host.boot(root, pack)
    world = World(host.Graph(nodes), str(Path(pack)).replace(".", "_x_"))
    checked = {}
    for name in names or CHECKS:
        try:
            checked[name] = {"works": True, "detail": str(CHECKS[name](world))}
        except Exception:
            checked[name] = {"works": False, "detail": traceback.format_exc()}
        Path(results).write_text(json.dumps(checked, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
