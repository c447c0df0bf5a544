"""ComfyUI-JoVA as a node pack: the nodes are in `nodes`, the core in `jova_core`."""

import sys

# pytest and other tools import this file too, outside ComfyUI, where the nodes cannot be imported.
if "comfy_api" in sys.modules:
    from .nodes import comfy_entrypoint as comfy_entrypoint

WEB_DIRECTORY = "./js"
