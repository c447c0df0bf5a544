"""Quantized checkpoints in ComfyUI: of `jova quantize`, and of formats that only core writes.

    python quantized.py COMFYUI PACK RESULTS.json

Run by ComfyUI's own interpreter; writes how near each format's clip is to that of the original.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

FORMATS = {"fp8_scaled": "float8_e4m3fn", "int8": "int8_tensorwise"}
# In blocks, each with a scale: layout of core, names of its scales in a file.
BLOCKED = {
    "mxfp8": ("TensorCoreMXFP8Layout", {"weight_scale": "scale"}),
    "nvfp4": (
        "TensorCoreNVFP4Layout",
        {"weight_scale": "block_scale", "weight_scale_2": "scale"},
    ),
}


def formats_of(model):
    """Format → number of layers of a MODEL that hold it."""
    layers = [getattr(m, "quant_format", None) for m in model.model.diffusion_model.modules()]
    return {kind: layers.count(kind) for kind in set(layers) - {None}}


def write_blocked(source, target, name):
    """The checkpoint with its blocks' matrices in a format of core's; how many those are."""
    import comfy.quant_ops
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    layout, scales = BLOCKED[name]
    said = torch.tensor(list(json.dumps({"format": name}).encode()), dtype=torch.uint8)
    tensors, count = {}, 0
    with safe_open(str(source), "pt") as file:
        for key in file.keys():  # noqa: SIM118
            value = file.get_tensor(key)
            if value.ndim != 2 or not key.startswith(("double_blocks.", "single_blocks.")):
                tensors[key] = value
                continue
            values, about = getattr(comfy.quant_ops, layout).quantize(value.bfloat16())
            base, count = key.removesuffix("weight"), count + 1
            found = {f"{base}{stored}": getattr(about, n) for stored, n in scales.items()}
            tensors |= {key: values, f"{base}comfy_quant": said.clone()} | {
                n: v.view(torch.uint8) if v.element_size() == 1 else v for n, v in found.items()
            }
        save_file(tensors, str(target), metadata=file.metadata())
    return count


def check(world, pack, name):
    """Load a quantized mini, sample with it, with a LoRA too; what came of it."""
    import folder_paths

    core = import_module(f"{pack}.jova_core.model.quantize")
    bundled = import_module(f"{pack}.nodes._comfy.mini").bundled_checkpoint()
    folder = Path(folder_paths.get_folder_paths("diffusion_models")[0])
    target = folder / f"jova_compat_{name}.safetensors"
    write = write_blocked if name in BLOCKED else core.quantize
    count = write(bundled, target, name)
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
    found = {name: check(world, package, name) for name in (*FORMATS, *BLOCKED)}
    Path(results).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
