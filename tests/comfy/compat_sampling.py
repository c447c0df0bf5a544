"""Core's samplers, guiders and caches on a JoVA."""

from world import CHECKS, STEPS, alike, apart, check, decoded, jova_sampler, streams

SAMPLERS = ("euler", "uni_pc", "dpmpp_2m", "res_multistep", "er_sde", "lcm")


STOCHASTIC = ("er_sde", "lcm")  # they add noise of their own: another clip of the same prompt


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


@check("CFG: both prompts in one pass")
def both_prompts_in_one_pass(world):
    """Core puts cond and uncond into one batch where their shapes agree and memory allows."""
    count = _count_forwards(world)
    world.ksampler(steps=4)
    assert count() == 4, f"{count()} passes for 4 steps"
    before = count()
    jova_sampler(world, steps=4)
    by_stream = count() - before
    assert by_stream == 4, f"{by_stream} passes of JoVA Sampler for 4 steps"
    return "4 steps take 4 passes in KSampler and in JoVA Sampler"


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
