"""What checks in ComfyUI share: the mini as ComfyUI loads it, its clips, and how near two are.

A check returns what it measured; an exception is its failure.
"""

import dataclasses
from fractions import Fraction
from functools import cache
from pathlib import Path

STEPS = 6


SIDE = 96  # pixels: small and fast, whatever the mini was trained on


CHECKS = {}


BUNDLED = "jova-mini (bundled)"


CAPTION = "a light face with brown hair in a red shirt on a blue background"


TITLES = {}


def check(title):
    """Register a check under its own name; `title` stands in docs/compatibility.md."""

    def register(function):
        CHECKS[function.__name__] = function
        TITLES[function.__name__] = title
        return function

    return register


class World:
    """The loaded graph and the common inputs of the checks."""

    def __init__(self, graph, pack):
        self.run, self.pack = graph, pack

    @cache  # noqa: B019  one world lives as long as the process
    def model(self):
        return self.run("JoVALoadModel", checkpoint=BUNDLED)[0]

    @cache  # noqa: B019
    def clip(self):
        return self.run("JoVALoadTextEncoder", encoder_1=BUNDLED)[0]

    @cache  # noqa: B019
    def vaes(self):
        return self.run("JoVALoadCodecs", codecs=BUNDLED)

    @cache  # noqa: B019
    def conditioning(self):
        return self.run(
            "JoVAPrompt",
            clip=self.clip(),
            video_caption=CAPTION,
            audio_caption="a clear voice speaks",
            transcript="hello",
        )[:2]

    def empty(self, frames=9, batch_size=1, side=SIDE):
        """An empty LATENT; side 0: of the size that the mini was trained on."""
        sizes = {"frames": frames, "width": side, "height": side, "batch_size": batch_size}
        return self.run("JoVAEmptyLatent", model=self.model(), **sizes)[0]

    def ksampler(self, model=None, latent=None, **changes):
        positive, negative = self.conditioning()
        settings = {
            "model": model or self.model(),
            "seed": 1,
            "steps": STEPS,
            "cfg": 3.0,
            "sampler_name": "euler",
            "scheduler": "simple",
            "positive": positive,
            "negative": negative,
            "latent_image": latent or self.empty(),
            "denoise": 1.0,
        }
        return self.run("KSampler", **{**settings, **changes})[0]

    def custom(self, sampler, model=None, latent=None, guider=None):
        """SamplerCustomAdvanced with core's own noise, guider, sampler and schedule."""
        positive, negative = self.conditioning()
        model = model or self.model()
        guider = (
            guider
            or self.run("CFGGuider", model=model, positive=positive, negative=negative, cfg=3.0)[0]
        )
        return self.run(
            "SamplerCustomAdvanced",
            noise=self.run("RandomNoise", noise_seed=1)[0],
            guider=guider,
            sampler=self.run("KSamplerSelect", sampler_name=sampler)[0],
            sigmas=self.sigmas(model),
            latent_image=latent or self.empty(),
        )

    def sigmas(self, model):
        return self.run(
            "BasicScheduler", model=model, scheduler="simple", steps=STEPS, denoise=1.0
        )[0]

    @cache  # noqa: B019
    def reference(self):
        """Both streams of the plain KSampler run that others are compared with."""
        return streams(self.ksampler())


def streams(latent):
    """Video and audio of a LATENT, checked to be finite and of a plausible spread."""
    import torch

    samples = latent["samples"]
    parts = samples.unbind() if samples.is_nested else [samples]
    for part in parts:
        assert torch.isfinite(part).all(), "not finite"
        assert 0.05 < float(part.std()) < 20, f"implausible spread {float(part.std()):.3f}"
    return parts


def apart(first, second):
    """Largest absolute difference over both streams."""
    return max(float((a - b).abs().max()) for a, b in zip(first, second, strict=True))


def alike(first, second):
    """Smallest correlation of a stream with its twin."""
    import torch

    pairs = zip(first, second, strict=True)
    return min(
        float(torch.corrcoef(torch.stack((a.flatten(), b.flatten())))[0, 1]) for a, b in pairs
    )


def decoded(world, latent):
    video_vae, audio_vae = world.vaes()
    return world.run(
        "JoVADecode", model=world.model(), latent=latent, video_vae=video_vae, audio_vae=audio_vae
    )


def jova_sampler(world, latent=None, model=None, **changes):
    positive, negative = world.conditioning()
    settings = {
        "model": model or world.model(),
        "positive": positive,
        "negative": negative,
        "latent": latent or world.empty(),
        "seed": 1,
        "steps": STEPS,
        "cfg_video": 3.0,
        "cfg_audio": 3.0,
        "sampler_name": "euler",
        "scheduler": "simple",
        "denoise": 1.0,
        "shift": 0.0,
    }
    return world.run("JoVASampler", **{**settings, **changes})[0]


def core_of(world):
    """Modules of the pack's own core, which is another copy than the tests' `jova_core`."""
    import importlib
    from types import SimpleNamespace

    def core(name):
        return importlib.import_module(f"{world.pack}.{name}")

    return SimpleNamespace(
        config=core("jova_core.config"),
        presets=core("jova_core.presets"),
        given=core("jova_core.given"),
        tasks=core("jova_core.tasks"),
        masks=core("jova_core.mouth.masks"),
        decoding=core("jova_core.decoding"),
        mini=core("jova_core.mini"),
        initialise=core("jova_core.training.initialise"),
        pipeline=core("jova_core.pipeline"),
        prompt=core("jova_core.prompt"),
        latents=core("jova_core.latents"),
        samples=core("jova_core.mini.samples"),
        checkpoint=core("jova_core.model.checkpoint"),
        jova=core("jova_core.model.jova"),
        kernels=core("jova_core.kernels"),
        loader=core("nodes._comfy.load"),
        model=core("nodes._comfy.model"),
    )


def tiny(world, fps=16):
    """A MODEL of two small blocks with a LATENT and CONDITIONING for it."""
    import tempfile

    import torch

    core = core_of(world)
    plain = world.model().model.config
    config = dataclasses.replace(
        plain,
        video=dataclasses.replace(plain.video, fps=Fraction(fps)),
        dim=32,
        heads=2,
        rope_axes=(8, 4, 4),
        dual_blocks=1,
        single_blocks=1,
        text=(core.config.TextEncoderSpec(name="one", width=12, max_tokens=5),),
    )
    network = core.jova.JoVA(config)
    core.initialise.initialise(network, 0)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    path = Path(tempfile.mkdtemp()) / "tiny.safetensors"
    core.checkpoint.save_jova(path, network.state_dict(), config, {})
    model = core.loader.load_checkpoint(path)
    latent = world.run("JoVAEmptyLatent", model=model, frames=5, width=32, height=32, batch_size=1)[
        0
    ]
    text = torch.randn(1, 5, 12, generator=generator)
    return model, latent, [[text, {}]]


def _ksampler_names(inputs):
    inputs = dict(inputs)
    inputs["latent"] = inputs.pop("latent")
    return inputs
