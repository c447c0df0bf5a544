"""A ComfyUI in this process: boots it on the CPU, loads the pack as ComfyUI does, calls its nodes.

Run by the interpreter that ComfyUI is installed for, never by the tests' own.
"""

import asyncio
import inspect
import os
import sys
from pathlib import Path


def boot(root, pack):
    """ComfyUI's `nodes` module with core's extra nodes and the pack at `pack` loaded."""
    nodes = boot_core(root)
    load_pack(nodes, pack)
    return nodes


def boot_core(root):
    """ComfyUI's `nodes` module with core's extra nodes."""
    os.chdir(root)
    sys.path[:0] = [str(root)]
    os.environ.update(HF_HUB_OFFLINE="1", DO_NOT_TRACK="1")
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu = True
    args.disable_api_nodes = True
    import utils.extra_config  # noqa: F401  before `nodes`, which shadows `utils` else

    import nodes

    asyncio.run(nodes.init_builtin_extra_nodes())
    return nodes


def load_pack(nodes, pack):
    """Load the pack at `pack` as ComfyUI loads what lies in custom_nodes."""
    assert asyncio.run(nodes.load_custom_node(str(Path(pack)))), "the pack did not load"


class Graph:
    """Calls nodes by id, as the executor does: V1 by FUNCTION, V3 by a prepared clone."""

    def __init__(self, nodes):
        self.classes = nodes.NODE_CLASS_MAPPINGS

    def __call__(self, node_id, **inputs):
        """The node's outputs as a tuple."""
        return self.whole(node_id, **inputs)[0]

    def whole(self, node_id, **inputs):
        """Outputs and what the node shows on the page."""
        import torch

        cls = self.classes[node_id]
        with torch.inference_mode():
            if hasattr(cls, "define_schema"):
                known = {i.id: i for i in cls.define_schema().inputs}
                defaults = {
                    name: i.default if getattr(i, "default", None) is not None else i.options[0]
                    for name, i in known.items()
                    if not i.optional
                    and name not in inputs
                    and (getattr(i, "default", None) is not None or getattr(i, "options", None))
                }
                clone = cls.PREPARE_CLASS_CLONE(None)
                clone.hidden.prompt, clone.hidden.extra_pnginfo = {"1": {}}, {"workflow": {"a": 1}}
                out = clone.EXECUTE_NORMALIZED(**{**defaults, **inputs})
                assert not inspect.isawaitable(out)
                shown = out.ui
                shown = shown.as_dict() if hasattr(shown, "as_dict") else shown
                return tuple(out.args or ()), shown
            out = getattr(cls(), cls.FUNCTION)(**inputs)
            if isinstance(out, dict):
                return tuple(out.get("result", ())), out.get("ui")
            return tuple(out), None
