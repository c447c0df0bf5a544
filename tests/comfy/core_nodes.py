"""Every node of core that takes a MODEL, CLIP, VAE, CONDITIONING or LATENT, run on the mini.

    python core_nodes.py COMFYUI PACK OUTPUT PART PARTS RESULTS.json    # 0 1: all of them

Run by ComfyUI's own interpreter. A node gets the mini's own objects, and for everything else its
defaults; a MODEL that comes out samples a step, a LATENT is looked at. Where a joint latent is
refused, the streams are tried alone, and a latent of LTXAV in the same place tells whether core's
own audio-video model fares better.
"""

import contextlib
import inspect
import json
import sys
import traceback
from pathlib import Path

TAKEN = ("MODEL", "CLIP", "VAE", "CONDITIONING", "LATENT")
FORMS = ("joint", "video", "audio")
# Inputs whose defaults do not fit a clip of the mini.
SETTINGS = {
    "ContextWindowsManual": {"dim": 2, "context_length": 2, "context_overlap": 1},
}
# Why a node of core is of no use to a JoVA.
REASONS = {
    "It patches the U-Net of Stable Diffusion.": ("FreeU", "FreeU_V2", "SelfAttentionGuidance"),
    "It weighs frames that lie in the batch, as SVD's do.": (
        "VideoLinearCFGGuidance",
        "VideoTriangleCFGGuidance",
    ),
    "It writes prompts for pairs of other encoders; use JoVA Prompt or CLIP Text Encode.": (
        "CLIPTextEncodeFlux",
        "CLIPTextEncodeHiDream",
        "CLIPTextEncodeHunyuanDiT",
        "CLIPTextEncodeKandinsky5",
        "CLIPTextEncodeSDXL",
    ),
    "It asks a language model for text, which the mini's encoder is not.": (
        "TextGenerate",
        "TextGenerateLTX2Prompt",
    ),
    "Pictures and audio have no part in common; Set Area, Set Mask and Set Area Percentage Video "
    "work on pictures sampled alone.": (
        "ConditioningSetArea",
        "ConditioningSetAreaPercentage",
        "ConditioningSetAreaPercentageVideo",
        "ConditioningSetMask",
    ),
    "It is made for the latents of LTX; use JoVA Empty Latent, JoVA Task, JoVA Reference Image and "
    "JoVA Decode.": (
        "LTXVAddGuide",
        "LTXVAudioVAEDecode",
        "LTXVEmptyLatentAudio",
        "LTXVImgToVideo",
        "LTXVImgToVideoInplace",
        "LTXVReferenceAudio",
    ),
    "It is a part of another model: HiDream-O1, Kandinsky 5, MiniMax H3, RT-DETR, SAM 3, SDPose, "
    "SeedVR2, Stable Cascade, Trellis 2, TripoSplat or Wan's Phantom.": (
        "HiDreamO1PatchSeamSmoothing",
        "Kandinsky5ImageToVideo",
        "MiniMaxH3AddGuide",
        "RTDETR_detect",
        "SAM3_VideoTrack",
        "SDPoseKeypointExtractor",
        "SeedVR2Conditioning",
        "SeedVR2TemporalChunk",
        "StableCascade_StageC_VAEEncode",
        "Trellis2TextureStage",
        "Trellis2UpsampleStage",
        "TripoSplatSamplingPreview",
        "VAEDecodeTripoSplat",
        "VaeDecodeShapeTrellis",
        "VaeDecodeStructureTrellis2",
        "WanPhantomSubjectToVideo",
    ),
    "It takes the latents of a batch apart, which a joint latent forbids in LTXAV too; separate "
    "the streams first.": ("NormalizeVideoLatentStart", "RebatchLatents", "ResolutionBucket"),
}


class NeedsError(Exception):
    """An input that only another file or model can give."""


class Stock:
    """Something of every type that a clip of the mini offers."""

    def __init__(self, world):
        import torch

        run, self.model = world.run, world.model()
        self.positive, self.negative = world.conditioning()
        self.clip, (self.video_vae, self.audio_vae) = world.clip(), world.vaes()
        self.run, joint = run, world.ksampler(steps=1)
        video, audio = joint["samples"].unbind()
        self.latents = {"joint": joint, "video": {"samples": video}, "audio": {"samples": audio}}
        nested = type(joint["samples"])
        self.ltxav = {
            "joint": {"samples": nested([torch.randn(1, 128, 3, 4, 4), torch.randn(1, 8, 9, 16)])},
            "video": {"samples": torch.randn(1, 128, 3, 4, 4)},
            "audio": {"samples": torch.randn(1, 8, 9, 16)},
        }
        self.images = torch.rand(9, 96, 96, 3)
        self.sigmas = world.sigmas(self.model)
        self.sampler = run("KSamplerSelect", sampler_name="euler")[0]
        guided = {"model": self.model, "positive": self.positive, "negative": self.negative}
        self.guider = run("CFGGuider", cfg=3.0, **guided)[0]
        self.noise = run("RandomNoise", noise_seed=1)[0]
        self.audio = {"waveform": torch.rand(1, 1, 9000) - 0.5, "sample_rate": 16000}
        self.operation = run("LatentOperationTonemapReinhard", multiplier=1.0)[0]
        self.hooks = run("CreateHookKeyframe", strength_mult=1.0, start_percent=0.0)[0]

    def value(self, kind, options, name, latents, form):
        """A value of a type; NeedsError where nothing here has it."""
        import torch

        audio = form == "audio" or "audio" in name
        known = {
            "MODEL": self.model,
            "CLIP": self.clip,
            "VAE": self.audio_vae if audio else self.video_vae,
            "CONDITIONING": self.negative if name == "negative" else self.positive,
            "LATENT": latents[form],
            "IMAGE": self.images,
            "MASK": torch.ones(1, 96, 96),
            "AUDIO": self.audio,
            "SIGMAS": self.sigmas,
            "SAMPLER": self.sampler,
            "GUIDER": self.guider,
            "NOISE": self.noise,
            "HOOK_KEYFRAMES": self.hooks,
            "LATENT_OPERATION": self.operation,
        }
        if isinstance(kind, str) and kind in known:
            return known[kind]
        if isinstance(kind, list | tuple) or kind == "COMBO":
            choices = list(kind) if kind != "COMBO" else list(options.get("options", ()))
            if not choices:
                raise NeedsError("a file")
            return options.get("default", choices[0])
        if kind in ("INT", "FLOAT", "STRING", "BOOLEAN"):
            plain = {"INT": 1, "FLOAT": 1.0, "STRING": "", "BOOLEAN": False}
            return options.get("default", options.get("min", plain[kind]))
        if kind == "COMFY_DYNAMICCOMBO_V3":
            first = options["options"][0]
            return {name: first["key"], **self.values(first["inputs"], latents, form)}
        if kind == "COMFY_AUTOGROW_V3":
            template = options["template"]
            (spec,) = template["input"]["required"].values()
            names = template.get("names") or [f"{template.get('prefix', '')}0"]
            return {names[0]: self.value(spec[0], {}, names[0], latents, form)}
        if "default" in options:
            return options["default"]
        raise NeedsError(str(kind))

    def values(self, inputs, latents, form):
        """Values for an input table's required part."""
        return {
            name: self.value(
                spec[0],
                spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {},
                name,
                latents,
                form,
            )
            for name, spec in inputs.get("required", {}).items()
        }


def inputs_of(cls):
    """Required inputs, and those optional ones that a node which requires none would need."""
    given = cls.INPUT_TYPES()
    required, optional = given.get("required", {}), given.get("optional", {})
    if any(spec[0] in TAKEN for spec in required.values()):
        return required
    return required | {k: spec for k, spec in optional.items() if spec[0] in TAKEN}


def call(stock, name, cls, latents, form):
    """What a node gives for the stock."""
    import torch

    values = stock.values({"required": inputs_of(cls)}, latents, form)
    values |= SETTINGS.get(name, {})
    if getattr(cls, "INPUT_IS_LIST", False):
        values = {key: [value] for key, value in values.items()}
    with torch.inference_mode():
        if hasattr(cls, "define_schema"):
            clone = cls.PREPARE_CLASS_CLONE(None)
            clone.hidden.prompt, clone.hidden.extra_pnginfo = {"1": {}}, {}
            out = clone.EXECUTE_NORMALIZED(**values)
            assert not inspect.isawaitable(out), "asynchronous"
            return tuple(out.args or ())
        out = getattr(cls(), cls.FUNCTION)(**values)
        return tuple(out.get("result", ()) if isinstance(out, dict) else out or ())


def used(stock, cls, values):
    """Use what came out as the next node would."""
    import torch

    lists = getattr(cls, "OUTPUT_IS_LIST", None) or [False] * len(values)
    for kind, value, listed in zip(cls.RETURN_TYPES, values, lists, strict=False):
        if kind in ("LATENT", "CONDITIONING") and isinstance(value, list) and listed:
            value = value[0]  # noqa: PLW2901
        if kind == "MODEL":
            positive, negative = stock.positive, stock.negative
            inputs = {"model": value, "positive": positive, "negative": negative, "seed": 1}
            rest = {"steps": 2, "cfg": 3.0, "sampler_name": "euler", "scheduler": "simple"}
            latent = {**stock.latents["joint"]}
            latent["samples"] = latent["samples"] * 0
            out = stock.run("KSampler", latent_image=latent, denoise=1.0, **inputs, **rest)[0]
            assert all(torch.isfinite(part).all() for part in out["samples"].unbind()), "NaN"
        elif kind == "LATENT":
            samples = value["samples"]
            parts = samples.unbind() if samples.is_nested else [samples]
            assert all(torch.isfinite(part).all() for part in parts), "NaN"
        elif kind == "CONDITIONING":
            inputs = {"model": stock.model, "positive": value, "negative": stock.negative}
            rest = {"steps": 1, "cfg": 3.0, "sampler_name": "euler", "scheduler": "simple"}
            latent = {"samples": stock.latents["joint"]["samples"] * 0}
            out = stock.run("KSampler", latent_image=latent, denoise=1.0, seed=1, **inputs, **rest)
            assert all(torch.isfinite(p).all() for p in out[0]["samples"].unbind()), "NaN"


def outcome(stock, name, cls, latents, form):
    """ "" where a node works on a form of latent, else its own words."""
    try:
        values = call(stock, name, cls, latents, form)
        used(stock, cls, values)
    except NeedsError as error:
        return f"needs {error}"
    except BaseException as error:
        lines = str(error).strip().splitlines()
        where = traceback.extract_tb(error.__traceback__)[-1]
        first = lines[0][:160] if lines else ""
        return f"{type(error).__name__}: {first} ({Path(where.filename).name}:{where.lineno})"
    return ""


def examine(stock, name, cls):
    """What each form of latent gives, and what LTXAV's would where ours is refused."""
    kinds = {spec[0] for spec in inputs_of(cls).values() if isinstance(spec[0], str)}
    forms = FORMS if "LATENT" in kinds or "VAE" in kinds else ("joint",)
    found = {"takes": sorted(kinds & set(TAKEN)), "forms": {}, "ltxav": {}}
    for form in forms:
        found["forms"][form] = said = outcome(stock, name, cls, stock.latents, form)
        if not said:
            break
        if kinds & set(TAKEN) == {"LATENT"}:
            found["ltxav"][form] = outcome(stock, name, cls, stock.ltxav, form)
    return found


def group(name, found):
    """The heading and the row of a node in the page."""
    works = [form for form, said in found["forms"].items() if not said]
    if works:
        return "Works", (", ".join(found["takes"]), works[0] if len(found["forms"]) > 1 else "")
    said = found["forms"]["joint"]
    if said.startswith("needs "):
        return "Not tried", (said.removeprefix("needs "), "")
    reason = next((why for why, names in REASONS.items() if name in names), said)
    return "Does not work", (reason, "")


def page(found):
    """The rows of all nodes as markdown."""
    rows = {}
    for name, result in sorted(found.items()):
        heading, row = group(name, result)
        rows.setdefault(heading, {}).setdefault(row, []).append(name)
    heads = {
        "Works": "| Takes | Nodes |",
        "Not tried": "| Needs besides | Nodes |",
        "Does not work": "| Why | Nodes |",
    }
    lines = []
    for heading, head in heads.items():
        count = sum(map(len, rows.get(heading, {}).values()))
        lines += [f"## {heading}: {count} nodes", "", head, "|---|---|"]
        for (what, form), names in sorted(rows.get(heading, {}).items()):
            alone = f", on the {form} latent alone" if form in ("video", "audio") else ""
            lines.append(f"| {what}{alone} | {', '.join(names)} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def taking(nodes):
    """Core's nodes that take one of TAKEN, by name."""
    for name, cls in sorted(nodes.NODE_CLASS_MAPPINGS.items()):
        with contextlib.suppress(Exception):
            kinds = [spec[0] for spec in inputs_of(cls).values()]
            if not name.startswith("JoVA") and any(kind in TAKEN for kind in kinds):
                yield name, cls


def main(root, pack, output, part, parts, results):
    from host import Graph, boot
    from world import World

    nodes = boot(root, pack)
    import folder_paths

    folder_paths.set_output_directory(output)
    folder_paths.set_temp_directory(str(Path(output) / "temp"))
    stock = Stock(World(Graph(nodes), str(Path(pack)).replace(".", "_x_")))
    found = {}
    for name, cls in list(taking(nodes))[int(part) :: int(parts)]:
        found[name] = examine(stock, name, cls)
        Path(results).write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
