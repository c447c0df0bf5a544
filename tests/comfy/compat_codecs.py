"""Core's VAE and text nodes on a JoVA, and what is given to a clip."""

from world import BUNDLED, CAPTION, apart, check, core_of, decoded, jova_sampler, streams, tiny


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
    _, video, voice, _, _ = world.run("JoVASampleMedia")
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
    _, _, voice, _, _ = world.run("JoVASampleMedia")
    given = {"audio": voice, "audio_vae": audio_vae}
    (_, known), (_, audio), times = _given(world, {"audio": voice}, given="audio", **given)
    assert float((audio - known).abs().max()) < 1e-5, "the given audio changed"
    assert all(float(t_audio.abs().max()) == 0 for _, t_audio in times), "given audio is not at 0"
    assert all(float(t_video.min()) > 0 for t_video, _ in times)
    return "the audio stays, at time 0; the video is generated"


@check("given video (JoVA Task)")
def given_video_is_clean_and_kept(world):
    video_vae, _ = world.vaes()
    _, frames, _, fps, _ = world.run("JoVASampleMedia")
    given = {"film": frames, "video_vae": video_vae, "film_fps": fps}
    (known, _), (video, _), times = _given(world, {"film": frames}, given="video", **given)
    assert float((video - known).abs().max()) < 1e-4, "the given video changed"
    assert all(float(t_video.abs().max()) == 0 for t_video, _ in times)
    assert all(float(t_audio.min()) > 0 for _, t_audio in times)
    return "the video stays, at time 0; the audio is generated"


def _given(world, measured, **task):
    """Both streams as JoVA Task gives them and as sampled, for a clip as long as `measured`."""
    model = world.model()
    frames = world.run("JoVALength", model=model, seconds=1.0, **measured)[0]
    latent = world.run("JoVATask", model=model, latent=world.empty(frames=frames), **task)[0]
    made, times = _times(world, lambda: streams(jova_sampler(world, latent=latent, steps=3)))
    return latent["samples"].unbind(), made, times


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
    portrait, video, voice, _, _ = world.run("JoVASampleMedia")
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


@check("clip lengths at 16, 24, 25 and 30 fps")
def lengths_at_every_rate(world):
    """A second and a half of sound, given and decoded: to the sample."""
    import torch

    wave = 0.1 * torch.sin(torch.arange(24000) / 9)
    audio = {"waveform": wave[None, None], "sample_rate": 16000}
    video_vae, audio_vae = world.vaes()
    counts = []
    for fps in (16, 24, 25, 30):
        model, _, _ = tiny(world, fps)
        length = {"model": model, "seconds": 1.5, "film_fps": 0.0}
        frames = world.run("JoVALength", audio=audio, **length)[0]
        sizes = {"frames": frames, "width": 32, "height": 32, "batch_size": 1}
        latent = world.run("JoVAEmptyLatent", model=model, **sizes)[0]
        given = {"given": "audio", "audio": audio, "audio_vae": audio_vae}
        latent = world.run("JoVATask", model=model, latent=latent, **given)[0]
        vaes = {"video_vae": video_vae, "audio_vae": audio_vae}
        images, heard, rate = world.run("JoVADecode", model=model, latent=latent, **vaes)
        samples = heard["waveform"].shape[-1]
        assert (len(images), rate) == (frames, fps)
        assert samples == round(frames * heard["sample_rate"] / fps), (fps, frames, samples)
        assert 1.5 <= frames / fps < 1.5 + 4 / fps
        counts.append(f"{frames} frames and {samples} samples")
    return "; ".join(counts)
