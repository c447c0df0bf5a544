"""State ends with its run, and what arrives at a node is checked there."""

from math import ceil

from graph_world import STEPS, apart, check, parts, refused, steps_taken


@check
def case_01_addnoise_after_a_joint_run(world):
    made = world.case("01")
    latent = made["x"][0]["samples"]
    assert latent.shape == parts(made["s"][0])[0].shape
    assert float(latent.std()) > 0.1


@check
def add_noise_to_the_sound_is_the_same_before_and_after_a_run(world):
    sound = world.separate(world.give_sound(world.empty(33)))[1]
    noise = world.run("RandomNoise", noise_seed=1)[0]
    schedule = {"model": world.model, "scheduler": "simple", "steps": 4, "denoise": 0.5}
    sigmas = world.run("BasicScheduler", **schedule)[0]

    def noisy():
        given = {"model": world.model, "noise": noise, "sigmas": sigmas, "latent_image": sound}
        return world.run("AddNoise", **given)[0]["samples"]

    before = noisy()
    world.ksampler(world.empty(9))
    assert apart(before, noisy()) == 0


@check
def two_models_in_one_guider(world):
    """DualModelGuider with two loaded copies of the mini is CFGGuider with one."""
    other = world.run("JoVALoadModel")[0]
    positive, negative = world.told
    start = world.give_sound(world.empty(9))
    told = {"model": world.model, "positive": positive, "negative": negative, "cfg": 3.0}
    one = world.run("CFGGuider", **told)[0]
    two = world.run("DualModelGuider", model_negative=other, **told)[0]

    def sampled(guider):
        schedule = {"model": world.model, "scheduler": "simple", "steps": STEPS, "denoise": 1.0}
        return world.run(
            "SamplerCustomAdvanced",
            noise=world.run("RandomNoise", noise_seed=1)[0],
            guider=guider,
            sampler=world.run("KSamplerSelect", sampler_name="euler")[0],
            sigmas=world.run("BasicScheduler", **schedule)[0],
            latent_image=start,
        )[0]

    pairs = zip(parts(sampled(one)), parts(sampled(two)), strict=True)
    assert max(apart(*pair) for pair in pairs) < 1e-4
    assert world.model.model.latent_shapes is None
    assert other.model.latent_shapes is None


@check
def without_a_negative_prompt_a_second_model_hears_the_empty_one(world):
    positive, _ = world.told
    told = {"model": world.model, "positive": positive, "cfg": 2.0}
    guider = world.run("DualModelGuider", model_negative=world.model, **told)[0]
    schedule = {"model": world.model, "scheduler": "simple", "steps": 1, "denoise": 1.0}
    made = world.run(
        "SamplerCustomAdvanced",
        noise=world.run("RandomNoise", noise_seed=1)[0],
        guider=guider,
        sampler=world.run("KSamplerSelect", sampler_name="euler")[0],
        sigmas=world.run("BasicScheduler", **schedule)[0],
        latent_image=world.empty(5),
    )[0]
    assert len(parts(made)) == 2


@check
def another_length_after_a_run(world):
    first = parts(world.sample(world.empty(9)))
    world.sample(world.empty(13, batch_size=2))
    again = parts(world.sample(world.empty(9)))
    assert max(apart(*pair) for pair in zip(first, again, strict=True)) == 0


@check
def case_08_streams_in_the_other_order_are_put_right(world):
    made = world.case("08")
    right = world.case("08", j={"video_latent": ["sep", 0], "audio_latent": ["sep", 1]})
    pairs = zip(parts(made["k"][0]), parts(right["k"][0]), strict=True)
    assert max(apart(*pair) for pair in pairs) == 0


@check
def streams_in_the_other_order_keep_their_masks(world):
    video, audio = world.separate(world.give_sound(world.empty(9)))
    other = world.join(audio, video)
    made = world.sample(other)
    assert apart(parts(made)[1], audio["samples"]) < 1e-3
    # Core's sampler keeps their order.
    heard, seen = parts(world.ksampler(other))
    assert heard.ndim == 3
    assert seen.ndim == 5
    assert apart(heard, audio["samples"]) < 1e-3


@check
def case_10_lengths_are_compared_before_sampling(world):
    count, config = steps_taken(world), world.model.model.config
    long, short = (ceil(frames / config.video.fps * config.audio.latent_rate) for frames in (33, 9))
    words = (f"Got {long} audio latents", "9 frames", f"expected {short}")
    refused(lambda: world.case("10"), *words)
    video, audio = world.separate(world.empty(9))[0], world.separate(world.empty(33))[1]
    refused(lambda: world.ksampler(world.join(video, audio)), "audio latents")
    assert count() == 0


@check
def case_11_a_foreign_empty_latent_is_as_in_ksampler(world):
    made = world.case("11")
    latent = made["k"][0]["samples"]
    assert tuple(latent.shape) == tuple(world.ksampler(made["e"][0])["samples"].shape)
    assert tuple(latent.shape[1:]) == (16, 2, 12, 12)
    assert "downscale_ratio_spacial" not in made["k"][0]


@check
def one_sound_for_two_films(world):
    video, audio = (
        world.separate(world.empty(9, batch_size=2))[0],
        world.separate(world.empty(9))[1],
    )
    made = parts(world.sample(world.join(video, audio)))
    assert [len(part) for part in made] == [2, 2]


@check
def two_sounds_for_three_films_are_refused(world):
    video = world.separate(world.empty(9, batch_size=3))[0]
    audio = world.separate(world.empty(9, batch_size=2))[1]
    refused(lambda: world.sample(world.join(video, audio)), "3 videos and 2 sounds")


@check
def latents_of_another_codec_are_refused(world):
    import torch

    foreign = {"samples": torch.randn(1, 128, 3, 3, 3)}
    refused(lambda: world.sample(foreign), "128 channels", "expected 16")
    refused(lambda: world.ksampler(foreign), "128 channels", "expected 16")
