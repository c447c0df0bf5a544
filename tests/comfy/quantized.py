"""Checkpoints of `jova quantize` in ComfyUI: the same clip from half the weights.

    python quantized.py COMFYUI PACK RESULTS.json

Run by ComfyUI's own interpreter; writes how near each format's clip is to that of the original.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

FORMATS = {"fp8_scaled": "float8_e4m3fn", "int8": "int8_tensorwise"}


def formats_of(model):
    """Format → number of layers of a MODEL that hold it."""
    layers = [getattr(m, "quant_format", None) for m in model.model.diffusion_model.modules()]
    return {kind: layers.count(kind) for kind in set(layers) - {None}}


def check(world, pack, name):
    """Load a quantized mini, sample with it, with a LoRA too; what came of it."""
    import folder_paths

    core = import_module(f"{pack}.jova_core.model.quantize")
    bundled = import_module(f"{pack}.nodes._comfy.mini").bundled_checkpoint()
    folder = Path(folder_paths.get_folder_paths("diffusion_models")[0])
    target = folder / f"jova_compat_{name}.safetensors"
    count = core.quantize(bundled, target, name)
    folder_paths.cache_helper.clear()
    try:
        model = world.run("JoVALoadModel", checkpoint=target.name)[0]
        held = formats_of(model)
        clip = world.ksampler(model=model)
        again = world.run("JoVALoadModel", checkpoint=target.name, weight_dtype="fp8_e4m3fn")[0]
        world.ksampler(model=again)
    finally:
        target.unlink()
    from world import alike, streams

    return {"count": count, "held": held, "alike": alike(streams(clip), world.reference())}


def main(root, pack, results):
    from host import Graph, boot
    from world import World

    nodes = boot(root, pack)
    package = str(Path(pack)).replace(".", "_x_")
    world = World(Graph(nodes), package)
    found = {name: check(world, package, name) for name in FORMATS}
    Path(results).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
