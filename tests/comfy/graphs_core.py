"""Context windows, saved files, joined prompts: what core's other models bear."""

from pathlib import Path

from graph_world import apart, check, parts, refused


def _windows(world, **changes):
    choice = {"context_length": 5, "context_overlap": 2, "dim": 2}
    return world.run("ContextWindowsManual", model=world.model, **{**choice, **changes})[0]


@check
def case_06_context_windows(world):
    seen, heard = parts(world.case("06")["k"][0])
    plain = parts(world.sample(world.empty(33), cfg_video=3.0))
    assert seen.shape == plain[0].shape
    assert heard.shape == plain[1].shape
    assert apart(seen, plain[0]) > 0


@check
def context_windows_keep_what_is_given(world):
    told, latent = world.give_picture(world.give_sound(world.empty(33)))
    made = world.sample(latent, model=_windows(world), **told)
    assert apart(parts(made)[1], parts(latent)[1]) < 1e-3
    assert apart(parts(made)[0][:, :, :1], parts(latent)[0][:, :, :1]) < 1e-3


@check
def context_windows_of_pictures_alone(world):
    told, latent = world.give_picture(world.empty(33))
    video = world.separate(latent)[0]
    made = world.sample(video, model=_windows(world), **told)
    assert apart(parts(made)[0][:, :, :1], video["samples"][:, :, :1]) < 1e-3


@check
def context_windows_over_the_whole_clip_change_nothing(world):
    whole = world.sample(world.empty(17), model=_windows(world, context_length=5))
    plain = world.sample(world.empty(17))
    pairs = zip(parts(whole), parts(plain), strict=True)
    assert max(apart(*pair) for pair in pairs) == 0


@check
def context_windows_along_another_axis_are_refused(world):
    model = _windows(world, dim=3)
    refused(lambda: world.sample(world.empty(9), model=model), "dimension 3", "expected 2")


@check
def case_12_a_saved_vae_comes_back(world):
    world.case("12")
    _comes_back(world, "case12_00001_.safetensors")


@check
def a_saved_audio_vae_comes_back(world):
    world.run("VAESave", vae=world.vaes[1], filename_prefix="audiovae")
    _comes_back(world, "audiovae_00001_.safetensors")


def _comes_back(world, name):
    """The file as a codec file gives the latents of the bundled one."""
    import folder_paths

    folder = Path(folder_paths.get_output_directory())
    folder_paths.add_model_folder_path("vae", str(folder))
    again = world.run("JoVALoadCodecs", codecs=name)
    film = world.media()[1][:5]
    assert apart(again[0].encode(film), world.vaes[0].encode(film)) == 0


@check
def a_saved_checkpoint_comes_back_whole(world):
    import folder_paths

    given = {"model": world.model, "clip": world.clip, "vae": world.vaes[0]}
    world.run("CheckpointSave", filename_prefix="whole", **given)
    folder = Path(folder_paths.get_output_directory())
    folder_paths.add_model_folder_path("diffusion_models", str(folder))
    model = world.run("JoVALoadModel", checkpoint="whole_00001_.safetensors")[0]
    world.run("JoVALoadTextEncoder", model=model)
    _comes_back(world, "whole_00001_.safetensors")
    pairs = zip(parts(world.sample(world.empty(5))), strict=True)
    again = parts(world.sample(world.empty(5), model=model))
    assert all(apart(first, second) < 1e-5 for (first,), second in zip(pairs, again, strict=True))


@check
def joined_prompts(world):
    """Two halves of a prompt joined by core are heard as the prompt; too long ones are refused."""
    run, clip = world.run, world.clip
    seen = run(
        "JoVAPrompt", clip=clip, video_caption="a light face", audio_caption="", transcript=""
    )
    said = run("JoVAPrompt", clip=clip, video_caption="", audio_caption="", transcript="hello")
    both = run(
        "JoVAPrompt", clip=clip, video_caption="a light face", audio_caption="", transcript="hello"
    )
    joined = run("ConditioningConcat", conditioning_to=seen[0], conditioning_from=said[0])[0]
    first = parts(world.sample(world.empty(5), positive=joined))
    second = parts(world.sample(world.empty(5), positive=both[0]))
    assert max(apart(*pair) for pair in zip(first, second, strict=True)) < 1e-4
    words = " ".join(["hello friend"] * 3)
    long = run("JoVAPrompt", clip=clip, video_caption="", audio_caption="", transcript=words)[0]
    many = run("ConditioningConcat", conditioning_to=long, conditioning_from=long)[0]
    refused(lambda: world.sample(world.empty(5), positive=many), "tokens", "shorten")


@check
def prompts_are_dynamic(world):
    inputs = world.run.classes["JoVAPrompt"].INPUT_TYPES()["required"]
    for name in ("video_caption", "audio_caption", "transcript"):
        assert inputs[name][1]["dynamicPrompts"] is True


@check
def attributes_that_core_reads(world):
    network = world.model.model.diffusion_model
    assert network.in_channels == 16
    patched = world.run("RenormCFG", model=world.model, cfg_trunc=100.0, renorm_cfg=1.0)[0]
    parts(world.sample(world.empty(5), model=patched))
