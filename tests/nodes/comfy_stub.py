"""Just enough of ComfyUI to import the pack as ComfyUI does and to read its schemas.

Run as a script it prints them as JSON, with the seconds that the import took and the heavy packages
that it brought; so the stubs never reach the tests' own interpreter.
"""

import asyncio
import importlib.util
import json
import sys
import time
import types
from pathlib import Path

PACK = Path(__file__).parents[2]
KINDS = (
    *("Model", "Clip", "Vae", "Latent", "Conditioning", "Image", "Audio", "Video"),
    *("String", "Int", "Float", "Combo", "Boolean", "Mask", "BoundingBox"),
)
HEAVY = ("mediapipe", "diffusers", "soundfile", "imageio_ffmpeg", "cv2", "scipy")
STUBBED = (
    *("comfy", "comfy.cli_args", "comfy.conds", "comfy.latent_formats", "comfy.ldm"),
    *("comfy.ldm.modules", "comfy.ldm.modules.attention", "comfy.model_base"),
    *("comfy.model_management", "comfy.model_patcher", "comfy.model_prefetch"),
    *("comfy.nested_tensor", "comfy.patcher_extension", "comfy.sample", "comfy.samplers"),
    *("comfy.sd", "comfy.supported_models_base", "comfy.utils", "comfy_api"),
    *("comfy_api.latest", "comfy_extras", "comfy_extras.nodes_model_advanced"),
    *("folder_paths", "node_helpers", "server", "aiohttp", "aiohttp.web"),
)


class Anything:
    """A class, function or object of ComfyUI that only has to exist."""

    def __init__(self, *_, **__):
        pass

    def __init_subclass__(cls, **_):
        pass


def _kind(name):
    name = {"BoundingBox": "Bounding_Box"}.get(name, name)

    def describe(default_name=None, **told):
        return {"name": told.pop("display_name", None) or default_name, "type": name, **told}

    return types.SimpleNamespace(
        Input=lambda input_id, **told: {"id": input_id, "type": name, **told},
        Output=describe,
    )


def install():
    """Put the stubs into sys.modules."""
    for name in STUBBED:
        module = types.ModuleType(name)
        module.__getattr__ = lambda _attribute: Anything
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    kinds = {name: _kind(name) for name in KINDS}
    sys.modules["comfy_api.latest"].io = types.SimpleNamespace(
        ComfyNode=object,
        NodeOutput=Anything,
        Schema=lambda **told: told,
        Hidden=types.SimpleNamespace(prompt="PROMPT", extra_pnginfo="EXTRA_PNGINFO"),
        FolderType=Anything,
        Custom=_kind,
        **kinds,
    )
    sys.modules["folder_paths"].get_filename_list = lambda _folder: []
    sys.modules["folder_paths"].get_input_directory = lambda: "/nowhere"
    sys.modules["folder_paths"].get_output_directory = lambda: "/nowhere"
    choices = types.SimpleNamespace(SAMPLERS=["euler"], SCHEDULERS=["simple"])
    sys.modules["comfy.samplers"].KSampler = choices
    sys.modules["server"].PromptServer = types.SimpleNamespace(instance=None)


def load():
    """The pack's root module, imported under the mangled name that ComfyUI gives it."""
    name = str(PACK).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(
        name, PACK / "__init__.py", submodule_search_locations=[str(PACK)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


async def _schemas(module):
    extension = await module.comfy_entrypoint()
    await extension.on_load()
    return [node.define_schema() for node in await extension.get_node_list()]


def main():
    """Print what the tests ask."""
    import torch  # noqa: F401  ComfyUI has imported it before any pack

    install()
    start = time.perf_counter()
    module = load()
    seconds = time.perf_counter() - start
    report = {
        "schemas": asyncio.run(_schemas(module)),
        "seconds": seconds,
        "heavy": [name for name in HEAVY if name in sys.modules],
        "v1": hasattr(module, "NODE_CLASS_MAPPINGS"),
        "web": module.WEB_DIRECTORY,
    }
    sys.stdout.write(json.dumps(report, default=str))


if __name__ == "__main__":
    main()
