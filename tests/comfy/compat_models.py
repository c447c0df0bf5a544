"""Core's nodes that change, save or look into a MODEL, on a JoVA."""

import dataclasses
from pathlib import Path

from world import BUNDLED, STEPS, _ksampler_names, alike, apart, check, core_of, streams, tiny


@check("ModelSamplingSD3")
def model_sampling_sd3(world):
    model = world.run("ModelSamplingSD3", model=world.model(), shift=5.0)[0]
    moved = apart(streams(world.ksampler(model=model)), world.reference())
    own = world.run("ModelSamplingSD3", model=world.model(), shift=3.0)[0]
    same = apart(streams(world.ksampler(model=own)), world.reference())
    assert moved > 0.05
    assert same < 1e-5
    return f"shift 5 moves the clip by {moved:.2f}, the checkpoint's own 3 by {same:.0e}"


@check("LoraLoaderModelOnly")
def lora_loader_model_only(world):
    """A random LoRA on the keys of every kind of layer; strength 0 is the base bit for bit."""
    import folder_paths
    import torch
    from safetensors.torch import save_file

    folder = Path(folder_paths.get_folder_paths("loras")[0])
    name, generator = "jova_compat_random.safetensors", torch.Generator().manual_seed(0)
    network = world.model().model.diffusion_model
    lora, layers = {}, 0
    for key, weight in network.state_dict().items():
        if key.endswith(".weight") and weight.ndim == 2:
            layer, layers = f"diffusion_model.{key.removesuffix('.weight')}", layers + 1
            lora[f"{layer}.lora_down.weight"] = torch.randn(4, weight.shape[1], generator=generator)
            up = torch.randn(weight.shape[0], 4, generator=generator)
            lora[f"{layer}.lora_up.weight"] = up * 0.003
            lora[f"{layer}.alpha"] = torch.tensor(4.0)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(lora, folder / name)
    folder_paths.cache_helper.clear()
    try:

        def with_strength(strength):
            model = world.run(
                "LoraLoaderModelOnly", model=world.model(), lora_name=name, strength_model=strength
            )[0]
            return model, streams(world.ksampler(model=model))

        model, strong = with_strength(1.0)
        patched = len(model.patches)
        _, none = with_strength(0.0)
    finally:
        (folder / name).unlink()
    assert patched == layers, f"{patched} of {layers} layers were patched"
    assert apart(none, world.reference()) == 0
    moved = apart(strong, world.reference())
    assert moved > 0.01
    return f"{patched} layers patched, strength 1 moves the clip by {moved:.2f}, 0 by 0"


@check("TorchCompileModel")
def torch_compile_model(world):
    """On a tiny JoVA, because compiling the mini takes minutes on a CPU."""
    model, latent, text = tiny(world)
    inputs = {"positive": text, "negative": text, "latent": latent, "steps": 2}
    plain = streams(world.ksampler(model=model, **_ksampler_names(inputs)))
    compiled = world.run("TorchCompileModel", model=model, backend="inductor")[0]
    fast = streams(world.ksampler(model=compiled, **_ksampler_names(inputs)))
    difference = apart(plain, fast)
    assert difference < 1e-3, difference
    return f"compiled and eager differ by {difference:.0e}"


@check("ModelSave, then Load JoVA Model")
def files_that_core_saved(world):
    """ModelSave writes metadata of its own; ours comes along in a tensor."""
    import folder_paths

    folder = Path(folder_paths.get_output_directory()) / "jova_compat"
    world.run("ModelSave", model=world.model(), filename_prefix="jova_compat/mini")
    path = sorted(folder.glob("mini*.safetensors"))[-1]
    loader = core_of(world).loader
    try:
        model = loader.load_checkpoint(path)
        difference = apart(streams(world.ksampler(model=model)), world.reference())
    finally:
        path.unlink()
        folder.rmdir()
    assert difference < 1e-5, difference
    return f"config and words are in the file; the clip differs by {difference:.0e}"


@check("weights in fp8, bf16, fp32")
def weight_dtypes(world):
    correlations = {}
    for name in ("fp8_e4m3fn", "fp8_e5m2", "bf16", "fp32"):
        model = world.run("JoVALoadModel", checkpoint=BUNDLED, weight_dtype=name)[0]
        correlations[name] = alike(streams(world.ksampler(model=model)), world.reference())
    assert correlations["fp32"] > 0.9999, correlations
    assert min(correlations.values()) > 0.7, correlations
    return ", ".join(f"{name} {value:.3f}" for name, value in correlations.items())


@check("block replacement, attention override")
def block_replacement_and_attention_override(world):
    """Nodes may replace a block, and every attention call goes through core's override."""
    model, calls = world.model().clone(), {"block": 0, "attention": 0}

    def block(arguments, extra):
        calls["block"] += 1
        return extra["original_block"](arguments)

    def attention(function, *args, **kwargs):
        calls["attention"] += 1
        return function(*args, **kwargs)

    model.set_model_patch_replace(block, "dit", "double_block", 1)
    model.model_options["transformer_options"]["optimized_attention_override"] = attention
    difference = apart(streams(world.ksampler(model=model)), world.reference())
    config = world.model().model.config
    layers = config.dual_blocks + config.single_blocks + 2 * config.text_refiner_blocks
    assert difference < 1e-5
    assert calls["block"] == STEPS
    assert calls["attention"] == STEPS * layers, calls
    return f"{calls['block']} blocks, {calls['attention']} attention calls"


@check("whose attention on an NVIDIA card")
def attention_on_a_card(world):
    """Torch's own choice where core would call torch, core's where a user or a node chose."""
    import importlib

    import comfy.ldm.modules.attention as core
    import comfy.model_management
    import torch

    chooses = importlib.import_module(f"{world.pack}.nodes._comfy.attention").torch_chooses
    card, found = torch.device("cuda"), {}
    nvidia, function = comfy.model_management.is_nvidia, core.optimized_attention
    try:
        comfy.model_management.is_nvidia = lambda: True
        core.optimized_attention = core.attention_pytorch
        found["torch"] = chooses(card, {})
        found["an override"] = chooses(card, {"optimized_attention_override": print})
        found["a processor"] = chooses(torch.device("cpu"), {})
        core.optimized_attention = core.attention_sage
        found["SageAttention"] = chooses(card, {})
        core.optimized_attention = core.attention_pytorch
        comfy.model_management.is_nvidia = lambda: False
        found["another card"] = chooses(card, {})
    finally:
        comfy.model_management.is_nvidia, core.optimized_attention = nvidia, function
    assert [name for name, taken in found.items() if taken] == ["torch"], found
    return f"torch's own choice; core's with {', '.join(found)[7:]}"


@check("deep clone of the MODEL")
def clone_without_dynamic_loading(world):
    """Compile and training nodes clone the patcher this way and need its loader."""
    copy = world.model().clone(force_deepcopy=True)
    assert copy.model is not world.model().model
    assert apart(streams(world.ksampler(model=copy)), world.reference()) == 0
    return "a deep copy samples the same"


@check("comfy-kitchen's kernels")
def kitchen(world):
    """Forced, as where it has fast kernels: they equal the plain formulas."""
    import torch

    kernels = core_of(world).kernels
    layout, rows = ((1, 5), (9, 3)), (20, 12)
    x, (shift, scale) = torch.randn(2, 32, 16), torch.randn(2, 2, 10, 16)
    qkv, weights = torch.randn(2, 32, 3, 3, 16), torch.randn(2, 2, 16)
    angles = torch.randn(32, 8)
    rope = (angles.cos(), angles.sin())
    worst = 0.0
    for op, arguments in (
        ("layer_norm_modulate", (x, shift, scale, layout)),
        ("qk_norm_rope", (qkv, weights, rope, rows)),
    ):
        results = {}
        for backend in ("reference", "kitchen"):
            with torch.inference_mode(), kernels.use_backend(backend):
                results[backend] = getattr(kernels, op)(arguments[0].clone(), *arguments[1:])
        off = (results["kitchen"] - results["reference"]).norm()
        worst = max(worst, float(off / results["reference"].norm()))
    assert worst < 1e-6, worst
    return f"norms, modulation and rotation differ by {worst:.0e} from the plain formulas"


@check("memory estimate")
def memory_estimate(world):
    """Core's estimate, by its formula for flash attention, against the peak of a forward pass."""
    import torch

    core = core_of(world)
    mini = world.model().model.config
    spec = core.config.TextEncoderSpec
    long = tuple(spec(name=name, width=64, max_tokens=1024) for name in ("one", "two"))
    plain = core.presets.PRESETS["jova_3b2"]
    small = {"dual_blocks": 1, "single_blocks": 2, "learned_pos": "none", "text": long}
    long_text = dataclasses.replace(mini, text=(spec(name="one", width=320, max_tokens=2048),))
    cases = {
        "mini": (mini, 96),
        "mini, 2,048 tokens of text": (long_text, 96),
        "256 wide": (dataclasses.replace(plain, dim=256, heads=2, **small), 128),
        "512 wide": (dataclasses.replace(plain, dim=512, heads=4, **small), 128),
    }
    ratios = {}
    for name, (config, size) in cases.items():
        shapes = core.latents.latent_shapes(config, 17, batch=2, height=size, width=size)
        parts = core.latents.AVLatents(video=torch.randn(shapes[0]), audio=torch.randn(shapes[1]))
        text = tuple(torch.randn(2, each.max_tokens, each.width) for each in config.text)
        peak = _peak_bytes(core, config, parts, text)
        elements = parts.video[0].numel() + parts.audio[0].numel()
        elements += 2 * config.text_tokens * core.model.elements_of_token(config)
        estimate = 2 * elements * 4 * 0.01 * core.model.memory_factor(config) * 2**20
        ratios[name] = estimate / peak
    assert all(0.8 <= ratio <= 1.25 for ratio in ratios.values()), ratios
    return "estimate / measured: " + "; ".join(f"{k} {v:.2f}" for k, v in ratios.items())


def _peak_bytes(core, config, parts, text):
    """Most bytes that one forward pass holds beyond its inputs and weights."""
    import torch
    from memory import peak_bytes

    network, time = core.jova.JoVA(config), torch.full((2,), 500.0)
    conditioning = core.latents.Conditioning(text=text)
    return peak_bytes(lambda: network(parts, time, time, conditioning))
