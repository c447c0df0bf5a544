"""ComfyUI's nodes with JoVA models: each check runs stock nodes on our MODEL, LATENT, CLIP or VAE.

    python compat.py COMFYUI PACK RESULTS.json [NAME …]

Run by ComfyUI's own interpreter. A check returns what it measured; an exception is its failure.
"""

import dataclasses
import json
import sys
import traceback
from functools import cache
from pathlib import Path

SAMPLERS = ("euler", "uni_pc", "dpmpp_2m", "res_multistep", "er_sde", "lcm")
STOCHASTIC = ("er_sde", "lcm")  # they add noise of their own: another clip of the same prompt
STEPS = 6
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

    def empty(self, frames=9, batch_size=1):
        sizes = {"frames": frames, "width": 0, "height": 0, "batch_size": batch_size}
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


def layout(world, parts):
    """The mean frame of a clip `[H, W, 3]`, set by the prompt rather than the noise."""
    return world.run("VAEDecode", samples={"samples": parts[0]}, vae=world.vaes()[0])[0].mean(0)


def _sampler_checks():
    def ksampler(world, name):
        return streams(world.ksampler(sampler_name=name))

    def ksampler_advanced(world, name):
        positive, negative = world.conditioning()
        half = {
            "model": world.model(),
            "noise_seed": 1,
            "steps": STEPS,
            "cfg": 3.0,
            "sampler_name": name,
            "scheduler": "simple",
            "positive": positive,
            "negative": negative,
        }
        first = world.run(
            "KSamplerAdvanced",
            add_noise="enable",
            latent_image=world.empty(),
            start_at_step=0,
            end_at_step=STEPS // 2,
            return_with_leftover_noise="enable",
            **half,
        )[0]
        second = world.run(
            "KSamplerAdvanced",
            add_noise="disable",
            latent_image=first,
            start_at_step=STEPS // 2,
            end_at_step=STEPS,
            return_with_leftover_noise="disable",
            **half,
        )[0]
        return streams(second)

    def sampler_custom(world, name):
        positive, negative = world.conditioning()
        out = world.run(
            "SamplerCustom",
            model=world.model(),
            add_noise=True,
            noise_seed=1,
            cfg=3.0,
            positive=positive,
            negative=negative,
            sampler=world.run("KSamplerSelect", sampler_name=name)[0],
            sigmas=world.sigmas(world.model()),
            latent_image=world.empty(),
        )
        streams(out[1])
        return streams(out[0])

    def sampler_custom_advanced(world, name):
        out = world.custom(name)
        streams(out[1])
        return streams(out[0])

    kinds = {
        "KSampler": ksampler,
        "KSamplerAdvanced": ksampler_advanced,
        "SamplerCustom": sampler_custom,
        "SamplerCustomAdvanced": sampler_custom_advanced,
    }
    for kind, run in kinds.items():
        for name in SAMPLERS:

            def one(world, run=run, name=name):
                clip = run(world, name)
                value = alike(clip, world.reference())
                if name in STOCHASTIC:
                    value = alike(*((layout(world, p),) for p in (clip, world.reference())))
                assert value > 0.5, f"unlike euler's clip: correlation {value:.3f}"
                kind = "mean frames" if name in STOCHASTIC else "latents"
                return f"correlation of its {kind} with KSampler/euler's {value:.3f}"

            CHECKS[f"{kind}/{name}"] = one


_sampler_checks()


@check("SetLatentNoiseMask")
def set_latent_noise_mask(world):
    """A mask for the left half keeps the right half of every frame of the pictures."""
    import torch

    video, audio = streams(world.ksampler())
    start = {"samples": world.empty()["samples"].__class__([video.clone(), audio.clone()])}
    mask = torch.zeros(1, 96, 96)
    mask[..., :48] = 1
    masked = world.run("SetLatentNoiseMask", samples=start, mask=mask)[0]
    new_video, new_audio = streams(world.ksampler(latent=masked, seed=2))
    kept = float((new_video - video)[..., 7:].abs().max())
    moved = float((new_video - video)[..., :5].abs().max())
    assert kept < 1e-3, f"the given half moved by {kept:.4f}"
    assert moved > 0.1
    assert float((new_audio - audio).abs().max()) > 0.1
    return f"given half differs by {kept:.1e}, generated half by {moved:.2f}"


@check("Concat and Separate AV Latent")
def concat_and_separate_av_latent(world):
    latent = world.ksampler()
    video, audio = world.run("LTXVSeparateAVLatent", av_latent=latent)
    again = world.run("LTXVConcatAVLatent", video_latent=video, audio_latent=audio)[0]
    assert apart(streams(again), streams(latent)) == 0
    return "equal after separating and joining"


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


def _ksampler_names(inputs):
    inputs = dict(inputs)
    inputs["latent"] = inputs.pop("latent")
    return inputs


def tiny(world):
    """A MODEL of two small blocks with a LATENT and CONDITIONING for it."""
    import tempfile

    import torch

    core = core_of(world)
    config = dataclasses.replace(
        core.presets.PRESETS["mini"],
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


@check("EasyCache")
def easy_cache(world):
    """Its criterion sees the video only; a threshold of 0.05 already changes the clip."""
    measured = _cached(world, "EasyCache", reuse_threshold=0.02)
    return f"threshold 0.02: {measured}; 0.05 and more, including its default 0.2, change the clip"


@check("LazyCache")
def lazy_cache(world):
    return _cached(world, "LazyCache", reuse_threshold=0.2)


def _cached(world, node, **settings):
    model = world.run(
        node, model=world.model(), start_percent=0.1, end_percent=0.95, verbose=False, **settings
    )[0]
    steps = 20
    count = _count_forwards(world)
    full = streams(world.ksampler(steps=steps))
    plain = count()
    fast = streams(world.ksampler(model=model, steps=steps))
    used = count() - plain
    assert used < plain, f"{used} of {plain} passes were run: nothing was skipped"
    value = alike(full, fast)
    assert value > 0.7, value
    return f"{used} instead of {plain} passes, correlation with the full run {value:.3f}"


def _count_forwards(world):
    first_block = world.model().model.diffusion_model.double_blocks[0]
    calls = []
    first_block.register_forward_hook(lambda *_: calls.append(1))
    return lambda: len(calls)


@check("APG")
def apg(world):
    model = world.run("APG", model=world.model(), eta=1.0, norm_threshold=5.0, momentum=0.0)[0]
    moved = apart(streams(world.ksampler(model=model)), world.reference())
    assert moved > 0.01
    return f"moves the clip by {moved:.2f}; its norm runs over both streams together"


@check("batch of 2")
def batch_2(world):
    video, audio = streams(world.ksampler(latent=world.empty(batch_size=2)))
    assert len(video) == len(audio) == 2
    assert float((video[0] - video[1]).abs().max()) > 0.1, "both clips are the same"
    images, audio, _ = decoded(world, world.ksampler(latent=world.empty(batch_size=2)))
    assert len(images) == 18
    assert audio["waveform"].shape[0] == 2
    return "two different clips"


def decoded(world, latent):
    video_vae, audio_vae = world.vaes()
    return world.run(
        "JoVADecode", model=world.model(), latent=latent, video_vae=video_vae, audio_vae=audio_vae
    )


@check("EmptyHunyuanLatentVideo (video only)")
def stock_empty_video_latent(world):
    """A video latent of core's own node gives video without audio."""
    latent = world.run("EmptyHunyuanLatentVideo", width=96, height=96, length=9, batch_size=1)[0]
    (video,) = streams(world.ksampler(latent=latent))
    assert tuple(video.shape) == (1, 16, 3, 12, 12)
    images, audio, _ = decoded(world, {"samples": video})
    assert images.shape == (9, 96, 96, 3)
    assert audio is None
    return "video only, 9 frames"


@check("an audio latent alone")
def audio_latent_alone(world):
    """The audio stream of a JoVA latent alone gives audio without video."""
    latent = {"samples": world.empty()["samples"].unbind()[1]}
    (stream,) = streams(world.ksampler(latent=latent))
    images, audio, _ = decoded(world, {"samples": stream})
    assert images is None
    assert audio["waveform"].shape[-1] > 0
    return f"audio only, {audio['waveform'].shape[-1]} samples"


@check("live preview")
def live_preview(world):
    """JoVA Sampler sends an animated PNG of the whole clip; KSampler sends the first frame."""
    import io as bytes_io

    import comfy.utils
    import latent_preview
    from PIL import Image

    shown = []
    hook = comfy.utils.PROGRESS_BAR_HOOK
    comfy.utils.set_progress_bar_global_hook(lambda *a, **_: shown.append(a[2]))
    method = latent_preview.args.preview_method
    try:
        jova_sampler(world, steps=3)
        kind, preview, size = shown[-1]
        buffer = bytes_io.BytesIO()
        preview.save(buffer, format=kind, quality=95, compress_level=1)
        frames = Image.open(buffer).n_frames
        shown.clear()
        latent_preview.args.preview_method = latent_preview.LatentPreviewMethod.Latent2RGB
        world.ksampler(steps=3)
        still = shown[-1][1].size
    finally:
        latent_preview.args.preview_method = method
        comfy.utils.set_progress_bar_global_hook(hook)
    assert size is None
    assert frames == 3
    assert still == (12, 12)
    return f"JoVA Sampler: {frames} moving frames; KSampler: one image of {still}"


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


@check("JoVA Sampler against KSampler")
def jova_sampler_equals_ksampler(world):
    difference = apart(streams(jova_sampler(world)), world.reference())
    assert difference == 0, difference
    split = apart(streams(jova_sampler(world, cfg_audio=3.0000001)), world.reference())
    assert split < 1e-4, f"guidance by stream with equal scales differs by {split}"
    moved = streams(jova_sampler(world, cfg_audio=1.0))
    assert apart(moved, world.reference()) > 0.05
    return f"equal; by-stream guidance with equal scales differs by {split:.0e}"


@check("interrupt, then run again")
def interrupt_then_run_again(world):
    import comfy.model_management as management
    import comfy.utils

    hook, seen = comfy.utils.PROGRESS_BAR_HOOK, []

    def stop(value, *_, **__):
        seen.append(value)
        if value >= 2:
            management.interrupt_current_processing(True)
        management.throw_exception_if_processing_interrupted()  # as the server's hook does

    comfy.utils.set_progress_bar_global_hook(stop)
    try:
        jova_sampler(world)
    except management.InterruptProcessingException:
        stopped = max(seen)
    else:
        raise AssertionError("the sampler went on")
    finally:
        management.interrupt_current_processing(False)
        comfy.utils.set_progress_bar_global_hook(hook)
    assert stopped < STEPS
    assert apart(streams(jova_sampler(world)), world.reference()) == 0
    return f"stopped after step {stopped} of {STEPS}; the next run is bit-equal"


@check("VAEDecode, VAEDecodeTiled")
def vae_decode_and_tiled(world):
    latent, (video_vae, _) = world.ksampler(), world.vaes()
    images = decoded(world, latent)[0]
    whole = world.run("VAEDecode", samples=latent, vae=video_vae)[0]
    tiles = {"tile_size": 64, "overlap": 32, "temporal_size": 8, "temporal_overlap": 4}
    tiled = world.run("VAEDecodeTiled", samples=latent, vae=video_vae, **tiles)[0]
    assert images.shape == whole.shape == tiled.shape
    equal, close = float((images - whole).abs().max()), float((images - tiled).abs().max())
    assert max(equal * 1e6, close) < 1e-4, (equal, close)
    return f"VAEDecode equals JoVA Decode, tiles over time differ by {close:.0e}"


@check("VAEDecodeAudio")
def vae_decode_audio(world):
    """Core divides loud clips by 5 standard deviations; JoVA Decode keeps the level."""
    latent, (_, audio_vae) = world.ksampler(), world.vaes()
    ours = decoded(world, latent)[1]["waveform"]
    core = world.run("VAEDecodeAudio", samples=latent, vae=audio_vae)[0]
    assert core["sample_rate"] == 16_000
    cut = core["waveform"][..., : ours.shape[-1]]
    factor = max(1.0, 5 * float(core["waveform"].std()))
    assert float((cut - ours).abs().max()) < 1e-3 or factor > 1
    longer = core["waveform"].shape[-1] - ours.shape[-1]
    assert 0 <= longer < 512
    return f"core's clip is {longer} samples longer; level equal unless 5·std > 1"


@check("VAEEncode, VAEEncodeAudio")
def vae_encode_round_trip(world):
    video_vae, audio_vae = world.vaes()
    _, video, voice, _ = world.run("JoVASampleMedia")
    latent = world.run("VAEEncode", pixels=video, vae=video_vae)[0]
    back = world.run("VAEDecode", samples=latent, vae=video_vae)[0]
    psnr = float(-10 * (back - video[: len(back)]).square().mean().log10())
    audio = world.run("VAEEncodeAudio", audio=voice, vae=audio_vae)[0]
    assert psnr > 28
    assert audio["samples"].shape[1] == 20
    return f"PSNR {psnr:.1f} dB"


@check("CLIPTextEncode, ConditioningZeroOut")
def clip_text_encode(world):
    """Core's node on our CLIP gives the same numbers as JoVA Prompt."""
    import torch

    text = f"<Video Caption>: {CAPTION} <Audio Caption>: a clear voice speaks <Transcript>: hello"
    core = world.run("CLIPTextEncode", clip=world.clip(), text=text)[0]
    empty = world.run("CLIPTextEncode", clip=world.clip(), text="")[0]
    positive, negative = world.conditioning()
    assert torch.equal(core[0][0], positive[0][0])
    assert torch.equal(empty[0][0], negative[0][0])
    zeroed = world.run("ConditioningZeroOut", conditioning=positive)[0]
    same = streams(world.ksampler(negative=zeroed))
    return f"equal; ConditioningZeroOut as negative differs by {apart(same, world.reference()):.0e}"


@check("given audio (JoVA Task)")
def given_audio_is_clean_and_kept(world):
    _, audio_vae = world.vaes()
    _, _, voice, _ = world.run("JoVASampleMedia")
    frames = world.run("JoVALength", model=world.model(), seconds=1.0, audio=voice)[0]
    latent = world.run(
        "JoVATask",
        model=world.model(),
        latent=world.empty(frames=frames),
        given="audio",
        audio=voice,
        audio_vae=audio_vae,
    )[0]
    known = latent["samples"].unbind()[1]
    seen = _times(world, lambda: streams(jova_sampler(world, latent=latent, steps=3)))
    (_, audio), times = seen
    assert float((audio - known).abs().max()) < 1e-5, "the given audio changed"
    assert all(float(t_audio.abs().max()) == 0 for _, t_audio in times), "given audio is not at 0"
    assert all(float(t_video.min()) > 0 for t_video, _ in times)
    return "the audio stays, at time 0; the video is generated"


@check("given video (JoVA Task)")
def given_video_is_clean_and_kept(world):
    video_vae, _ = world.vaes()
    _, frames, _, fps = world.run("JoVASampleMedia")
    count = world.run("JoVALength", model=world.model(), seconds=1.0, film=frames)[0]
    latent = world.run(
        "JoVATask",
        model=world.model(),
        latent=world.empty(frames=count),
        given="video",
        film=frames,
        video_vae=video_vae,
        film_fps=fps,
    )[0]
    known = latent["samples"].unbind()[0]
    (video, _), times = _times(world, lambda: streams(jova_sampler(world, latent=latent, steps=3)))
    assert float((video - known).abs().max()) < 1e-4, "the given video changed"
    assert all(float(t_video.abs().max()) == 0 for t_video, _ in times)
    assert all(float(t_audio.min()) > 0 for _, t_audio in times)
    return "the video stays, at time 0; the audio is generated"


def _times(world, run):
    """What `run` returns, and the (t_video, t_audio) of every forward pass."""
    network = world.model().model.diffusion_model
    times = []
    hook = network.register_forward_pre_hook(
        lambda _m, arguments: times.append(arguments[1]), with_kwargs=False
    )
    try:
        return run(), times
    finally:
        hook.remove()


@check("latents against `jova generate`")
def latents_equal_the_command_lines(world):
    """Same seed, steps, sampler and guidance: prompt, portrait, voice and video, in fp32."""
    import torch

    core, differences = core_of(world), {}
    pipeline = core.mini.load_pipeline()
    model = world.run("JoVALoadModel", checkpoint=BUNDLED, weight_dtype="fp32")[0]
    video_vae, audio_vae = world.vaes()
    portrait, video, voice, _ = world.run("JoVASampleMedia")
    frames = pipeline.timeline.frames((len(video) - 1) // 4 + 1)
    sample = core.samples.load_sample(core.samples.sample_names()[0])
    prompt = core.prompt.Prompt(
        video_caption=CAPTION, audio_caption="a clear voice speaks", transcript="hello"
    )
    settings = core.pipeline.SampleSettings(seed=7, steps=8, cfg_video=3.0, cfg_audio=2.0)
    given = {
        "prompt": {},
        "portrait": {"image": sample.frames[0]},
        "voice": {"audio": sample.audio},
        "video": {"video": sample.frames[:frames]},
    }
    for name, inputs in given.items():
        clip = core.decoding.generate(
            pipeline, prompt, frames, settings, given=core.given.Given(**inputs)
        )
        latent = world.empty(frames=frames)
        (positive, negative) = world.conditioning()
        if name == "portrait":
            positive, negative, latent = world.run(
                "JoVAReferenceImage",
                positive=positive,
                negative=negative,
                latent=latent,
                video_vae=video_vae,
                image=portrait,
            )
        elif name != "prompt":
            latent = world.run(
                "JoVATask",
                model=model,
                latent=latent,
                given={"voice": "audio", "video": "video"}[name],
                audio=voice,
                audio_vae=audio_vae,
                film=video,
                video_vae=video_vae,
            )[0]
        graph = streams(
            jova_sampler(
                world,
                model=model,
                latent=latent,
                positive=positive,
                negative=negative,
                seed=7,
                steps=8,
                cfg_audio=2.0,
            )
        )
        latents = core.latents.denormalise(pipeline.config, clip.latents)
        differences[name] = apart(graph, (latents.video, latents.audio))
        images, audio, _ = decoded(
            world, {"samples": world.empty()["samples"].__class__(list(graph))}
        )
        shown = (images * 255).round().to(torch.uint8)
        assert int((shown.int() - clip.frames.int()).abs().max()) <= 1
        assert float((audio["waveform"][0, 0] - clip.audio).abs().max()) < 1e-3
    assert max(differences.values()) <= 1e-4, differences
    return ", ".join(f"{name} {value:.0e}" for name, value in differences.items())


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
