"""What graphs in ComfyUI share: the mini, reported graphs, single nodes, and what is refused.

A check raises where a value is wrong.
"""

import json

CHECKS = {}


STEPS = 2


SIDE = 96  # pixels: small and fast, whatever the mini was trained on


def check(function):
    """Register a check under its name."""
    CHECKS[function.__name__] = function
    return function


class World:
    """Runs reported graphs and single nodes."""

    def __init__(self, graph, cases):
        self.run, self.cases, self.made = graph, cases, {}
        self.model = graph("JoVALoadModel")[0]
        self.clip = graph("JoVALoadTextEncoder")[0]
        self.vaes = graph("JoVALoadCodecs")
        told = {"video_caption": "a light face", "audio_caption": "a clear voice"}
        self.told = graph("JoVAPrompt", clip=self.clip, transcript="hello", **told)[:2]

    def case(self, number, **changed):
        """The outputs of every node of a reported graph, by name; `changed` replaces inputs."""
        (path,) = self.cases.glob(f"{number}_*.api.json")
        nodes, done = json.loads(path.read_text(encoding="utf-8")), {}

        def value(given):
            linked = isinstance(given, list) and len(given) == 2 and given[0] in nodes
            return output(given[0])[given[1]] if linked else given

        def output(name):
            if name not in done:
                node = nodes[name]
                inputs = {**node["inputs"], **changed.get(name, {})}
                given = {key: value(item) for key, item in inputs.items()}
                if "steps" in given:
                    given["steps"] = STEPS
                done[name] = self.run(node["class_type"], **given)
            return done[name]

        for name, node in nodes.items():
            if node["class_type"] not in ("PreviewAny", "JoVASaveVideo"):
                output(name)
        return done

    def empty(self, frames=9, batch_size=1):
        sizes = {"frames": frames, "width": SIDE, "height": SIDE, "batch_size": batch_size}
        return self.run("JoVAEmptyLatent", model=self.model, **sizes)[0]

    def _told(self, changes):
        positive, negative = self.told
        return {"model": self.model, "positive": positive, "negative": negative, **changes}

    def sample(self, latent, **changes):
        """JoVA Sampler."""
        choice = {"seed": 1, "steps": STEPS, "cfg_video": 2.0, "cfg_audio": 3.0}
        return self.run("JoVASampler", **self._told({"latent": latent, **choice, **changes}))[0]

    def ksampler(self, latent, **changes):
        choice = {"seed": 1, "steps": STEPS, "cfg": 3.0, "sampler_name": "euler", "denoise": 1.0}
        told = {"latent_image": latent, "scheduler": "simple", **choice, **changes}
        return self.run("KSampler", **self._told(told))[0]

    def separate(self, latent):
        return self.run("LTXVSeparateAVLatent", av_latent=latent)

    def join(self, video, audio):
        return self.run("LTXVConcatAVLatent", video_latent=video, audio_latent=audio)[0]

    def mask(self, latent, value):
        """SetLatentNoiseMask with a mask [B, H, W], or one of one value."""
        if isinstance(value, float):
            value = self.run("SolidMask", value=value, width=SIDE, height=SIDE)[0]
        return self.run("SetLatentNoiseMask", samples=latent, mask=value)[0]

    def media(self):
        return self.run("JoVASampleMedia")

    def give_sound(self, latent, sound=None):
        sound = self.media()[2] if sound is None else sound
        inputs = {"given": "audio", "audio": sound, "audio_vae": self.vaes[1]}
        return self.run("JoVATask", model=self.model, latent=latent, **inputs)[0]

    def give_film(self, latent):
        inputs = {"given": "video", "film": self.media()[1], "video_vae": self.vaes[0]}
        return self.run("JoVATask", model=self.model, latent=latent, **inputs)[0]

    def give_picture(self, latent):
        positive, negative = self.told
        inputs = {"positive": positive, "negative": negative, "latent": latent}
        vae, image = self.vaes[0], self.media()[0]
        made = self.run("JoVAReferenceImage", video_vae=vae, image=image, **inputs)
        return {"positive": made[0], "negative": made[1]}, made[2]


def parts(latent):
    """Video and audio of a LATENT, finite."""
    import torch

    samples = latent["samples"]
    found = samples.unbind() if samples.is_nested else [samples]
    assert all(torch.isfinite(part).all() for part in found), "not finite"
    return found


def apart(first, second):
    """The largest difference."""
    return float((first - second).abs().max())


def refused(call, *words):
    """The sentence of a call that must be refused in our words, naming `words`."""
    try:
        call()
    except Exception as error:
        kind, text = type(error).__name__, str(error)
    else:
        kind, text = "", "it was accepted"
    assert kind == "JoVAError", f"{kind}: {text}"
    assert "\n" not in text, text
    for word in words:
        assert word in text, f"{word!r} is not in: {text}"


def steps_taken(world):
    """A function that says how many passes were run since."""
    calls = []
    block = world.model.model.diffusion_model.double_blocks[0]
    block.register_forward_hook(lambda *_: calls.append(1))
    return lambda: len(calls)
