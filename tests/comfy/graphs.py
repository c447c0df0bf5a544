"""Graphs that people really build, each with its right value; run by ComfyUI's own interpreter.

    python graphs.py COMFYUI PACK CASES OUTPUT RESULTS.json [NAME …]

CASES is the folder with reported graphs in API form. A check raises where the value is wrong.
"""

import json
import sys
import traceback
from pathlib import Path

CHECKS = {}
STEPS = 2


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
        sizes = {"frames": frames, "width": 0, "height": 0, "batch_size": batch_size}
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
        """SetLatentNoiseMask with a mask [B, H, W], or one of 96 x 96 of one value."""
        if isinstance(value, float):
            value = self.run("SolidMask", value=value, width=96, height=96)[0]
        return self.run("SetLatentNoiseMask", samples=latent, mask=value)[0]

    def media(self):
        return self.run("JoVASampleMedia", character="brown-hair")

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


# 8: state ends with its run


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


# 9: masks


@check
def case_03_a_mask_on_the_separated_sound(world):
    made = world.case("03")
    (_, heard), given = parts(made["k"][0]), made["a"][0]["samples"]
    assert apart(heard, given) < 1e-3, "the sound was given"
    assert apart(parts(made["k"][0])[0], made["v"][0]["samples"]) > 0.1, "the film was not"


@check
def case_04_a_mask_after_task_keeps_the_given_sound(world):
    made = world.case("04")
    given, heard = parts(made["j"][0])[1], parts(made["k"][0])[1]
    assert apart(heard, given) < 1e-3


@check
def case_05_a_core_mask_before_task(world):
    video, audio = world.case("05")["j"][0]["noise_mask"].unbind()
    assert float(video.min()) == 1
    assert float(audio.max()) == 0


@check
def a_core_mask_before_reference_image_keeps_both(world):
    import torch

    left = torch.zeros(1, 96, 96)
    left[..., :48] = 1
    told, latent = world.give_picture(world.mask(world.empty(9), left))
    video, audio = latent["noise_mask"].unbind()
    assert float(video[:, :, 0].max()) == 0
    assert float(video[:, :, 1:, :, :5].min()) == 1
    assert float(video[..., 7:].max()) == 0
    assert float(audio.min()) == 1
    world.sample(latent, **told)


@check
def a_mask_after_reference_image_keeps_the_picture(world):
    told, latent = world.give_picture(world.empty(9))
    made = world.sample(world.mask(latent, 1.0), **told)
    assert apart(parts(made)[0][:, :, :1], parts(latent)[0][:, :, :1]) < 1e-3


@check
def a_mask_of_ones_after_task_keeps_the_given_film(world):
    latent = world.give_film(world.empty(9))
    made = world.sample(world.mask(latent, 1.0))
    assert apart(parts(made)[0], parts(latent)[0]) < 1e-3


@check
def a_region_of_a_given_film_can_be_made_anew(world):
    import torch

    left = torch.zeros(1, 96, 96)
    left[..., :48] = 1
    latent = world.give_film(world.empty(9))
    made, film = parts(world.sample(world.mask(latent, left)))[0], parts(latent)[0]
    assert apart(made[..., 7:], film[..., 7:]) < 1e-3
    assert apart(made[..., :5], film[..., :5]) > 0.1


@check
def a_stretch_of_the_given_sound_made_anew(world):
    """Its mask as a row, as a column and as one of another length; the rest stays."""
    import torch

    video, audio = world.separate(world.give_sound(world.empty(33)))
    length = audio["samples"].shape[2]
    row = torch.zeros(1, 1, length)
    row[..., 20:40] = 1
    double = row.repeat_interleave(2, dim=2)
    for mask in (row, row.mT, double, row.expand(1, 7, length)):
        latent = world.join(video, world.mask(audio, mask))
        made = parts(world.sample(latent))[1]
        given = audio["samples"]
        assert apart(made[..., :16], given[..., :16]) < 1e-3
        assert apart(made[..., 44:], given[..., 44:]) < 1e-3
        assert apart(made[..., 22:38], given[..., 22:38]) > 0.1


@check
def a_mask_without_one_time_axis_is_refused(world):
    import torch

    video, audio = world.separate(world.give_sound(world.empty(9)))
    mask = torch.eye(96)[None]
    latent = world.join(video, world.mask(audio, mask))
    refused(lambda: world.sample(latent), "varies along 2", "one row")


@check
def a_sound_put_in_the_place_of_the_given_one_is_not_given(world):
    video, _ = world.separate(world.give_sound(world.empty(9)))
    _, fresh = world.separate(world.empty(9))
    latent = world.join({k: v for k, v in video.items() if k != "noise_mask"}, fresh)
    assert float(parts(world.sample(latent))[1].std()) > 0.1


# 10: checked where it arrives


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
    count = steps_taken(world)
    refused(lambda: world.case("10"), "Got 65 audio latents", "9 frames", "expected 18")
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


# 11: core's interface


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


# 12: nothing dropped silently


@check
def case_14_guidance_patches_act_on_two_scales(world):
    made = world.case("14")
    assert apart(parts(made["k"][0])[0], parts(made["k2"][0])[0]) > 0.01
    plain = world.sample(world.empty(9), cfg_video=1.0, cfg_audio=1.0)
    again = world.sample(world.empty(9), model=made["x"][0])
    assert max(apart(*p) for p in zip(parts(plain), parts(again), strict=True)) < 1e-3


def _each_stream_at_its_scale(world, patched):
    """Both streams of one sample, each as when its own scale is given to both."""
    mixed = parts(world.sample(world.empty(9), model=patched, steps=1))
    by_scale = [
        parts(world.sample(world.empty(9), model=patched, steps=1, cfg_video=s, cfg_audio=s))
        for s in (2.0, 3.0)
    ]
    assert apart(mixed[0], by_scale[0][0]) < 1e-3
    assert apart(mixed[1], by_scale[1][1]) < 1e-3
    return mixed


@check
def rescaled_guidance_acts_by_stream(world):
    patched = world.run("RescaleCFG", model=world.model, multiplier=0.7)[0]
    mixed = _each_stream_at_its_scale(world, patched)
    assert apart(mixed[0], parts(world.sample(world.empty(9), steps=1))[0]) > 0.01


@check
def guidance_after_core_acts_by_stream(world):
    patched = world.run("CFGZeroStar", model=world.model)[0]
    _each_stream_at_its_scale(world, patched)


@check
def case_15_weights_are_named_and_not_spoken(world):
    told = {"video_caption": "", "audio_caption": "", "transcript": "(hello:1.2) friend"}
    (weighted, _, _), shown = world.run.whole("JoVAPrompt", clip=world.clip, **told)
    plain = world.run("JoVAPrompt", clip=world.clip, **{**told, "transcript": "hello friend"})[0]
    assert apart(weighted[0][0], plain[0][0]) == 0
    assert "(hello:1.2)" in shown["text"][0].split("\n\n")[1]


@check
def alternatives_are_named(world):
    told = {"video_caption": "", "audio_caption": "", "transcript": "{hello|friend}"}
    _, shown = world.run.whole("JoVAPrompt", clip=world.clip, **told)
    assert "{hello|friend}" in shown["text"][0].split("\n\n")[1]


@check
def a_sound_longer_than_the_clip_is_named(world):
    inputs = {"given": "audio", "audio": world.media()[2], "audio_vae": world.vaes[1]}
    latent = world.empty(9)
    _, shown = world.run.whole("JoVATask", model=world.model, latent=latent, **inputs)
    assert "0.56 s" in shown["text"][0]


@check
def pictures_that_were_not_decoded_are_named(world):
    """JoVA Decode without `video_vae` gives no pictures to whatever follows."""
    sampled = world.sample(world.empty())
    images = world.run("JoVADecode", model=world.model, latent=sampled)[0]
    assert images is None
    positive, negative = world.told
    audio, latent = world.media()[2], world.empty()
    told = {"positive": positive, "negative": negative, "latent": latent}
    film = {"given": "video", "film": images, "video_vae": world.vaes[0]}
    calls = {
        "JoVASaveVideo": {"images": images, "fps": 16.0, "filename_prefix": "x"},
        "JoVAMouthMask": {"image": images, "faces": 1, "pad": 0.0},
        "JoVASyncReport": {"images": images, "audio": audio, "fps": 16.0},
        "JoVAReferenceImage": {"image": images, "video_vae": world.vaes[0], **told},
        "JoVATask": {"model": world.model, "latent": latent, **film},
    }
    for name, inputs in calls.items():
        refused(lambda name=name, inputs=inputs: world.run(name, **inputs), "connect")


@check
def a_prompt_for_a_part_of_the_picture_works_on_pictures_alone(world):
    area = {"width": 48, "height": 48, "x": 0, "y": 0, "strength": 1.0}
    part = world.run("ConditioningSetArea", conditioning=world.told[0], **area)[0]
    parts(world.sample(world.separate(world.empty())[0], positive=part))
    words = ("Conditioning Set Area or Set Mask", "leave it out")
    refused(lambda: world.sample(world.empty(), positive=part), *words)


# 6: lips that core's own node found


def face_landmarks(frames, size):
    """FACE_LANDMARKS of one face whose lips, at (32, 64), open and shut."""
    import numpy as np
    from comfy_extras import nodes_mediapipe as core

    faces = []
    for index in range(frames):
        points = np.full((478, 2), [40.0, 68.0])
        points[61], points[291], points[0], points[17] = [32, 68], [48, 68], [40, 64], [40, 72]
        points[14] = [40, 68 + index % 4]
        points[33], points[263] = [28, 40], [52, 40]
        faces.append([{"landmarks_xy": points, "score": 1.0}])
    return core.FaceLandmarksType.io_type, {"frames": faces, "image_size": (size, size)}


@check
def core_landmarks_need_no_model_of_ours(world):
    import torch

    images = torch.zeros(12, 96, 96, 3)
    kind, found = face_landmarks(12, 96)
    for name in ("JoVAMouthMask", "JoVASyncReport"):
        inputs = world.run.classes[name].define_schema().inputs
        assert next(i for i in inputs if i.id == "face_landmarks").io_type == kind
    settings = {"image": images, "faces": 1, "pad": 0.0}
    mask, latent_mask, boxes, *_ = world.run("JoVAMouthMask", face_landmarks=found, **settings)
    assert mask.sum(dim=(1, 2)).tolist() == [16 * 8] * 12
    assert latent_mask.shape == (3, 12, 12)
    assert boxes[0][0]["x"] == 32
    wave = torch.sin(torch.arange(12000) / 8) * (torch.arange(12000) // 1000 % 4)
    audio = {"waveform": wave[None, None] / 4, "sample_rate": 16000}
    told = {"audio": audio, "fps": 16.0, "face_landmarks": found}
    table = world.run("JoVASyncReport", images=images, **told)[0]
    assert "found in 12 of 12 frames" in table, table
    assert "in sync" in table, table
    few = {**settings, "image": images[:5]}
    words = ("of 12 frames of 96 x 96", "of the 5 frames")
    refused(lambda: world.run("JoVAMouthMask", face_landmarks=found, **few), *words)
    other = torch.zeros(12, 64, 96, 3)
    refused(lambda: world.run("JoVASyncReport", images=other, **told), "96 x 64 px")


# 13 and 16: loading and training


@check
def case_17_and_18_a_model_that_core_saved(world):
    import folder_paths

    world.case("17a")
    folder = Path(folder_paths.get_output_directory())
    folder_paths.add_model_folder_path("diffusion_models", str(folder))
    name = "nometa_00001_.safetensors"
    for preset in ("from the file", "mini"):
        model = world.run("JoVALoadModel", checkpoint=name, preset=preset)[0]
        world.run("JoVALoadTextEncoder", model=model)
    words = ("Got the preset mini_ablation", "expected mini")
    wrong = {"checkpoint": name, "preset": "mini_ablation"}
    refused(lambda: world.run("JoVALoadModel", **wrong), *words)
    (done,) = world.case("17b", model={"checkpoint": name})["train"][2:3]
    assert done == 2


@check
def a_file_without_any_metadata_trains_on_the_bundled_words(world):
    import folder_paths
    from safetensors.torch import load_file, save_file

    world.run("ModelSave", model=world.model, filename_prefix="bare")
    folder = Path(folder_paths.get_output_directory())
    folder_paths.add_model_folder_path("diffusion_models", str(folder))
    tensors = load_file(folder / "bare_00001_.safetensors")
    tensors.pop("jova.about")
    save_file(tensors, folder / "bare.safetensors")
    given = {"checkpoint": "bare.safetensors"}
    refused(lambda: world.run("JoVALoadModel", **given), "lost its metadata", "mini")
    wrong = {**given, "preset": "mini_ablation"}
    refused(lambda: world.run("JoVALoadModel", **wrong), "Got the preset mini_ablation")
    bare = {**given, "preset": "mini"}
    names = {"set": {"name": "bare"}, "train": {"name": "bare"}}
    assert world.case("17b", model=bare, **names)["train"][2] == 2


@check
def case_19_a_bypassed_lora_before_training_is_refused(world):
    import folder_paths

    folder_paths.add_model_folder_path("loras", str(world.cases))
    refused(lambda: world.case("19"), "LoRA", "Load JoVA Model")


@check
def other_changes_before_training_are_refused(world):
    data = world.case("19", train={"model": ["model", 0]})["set"][0]
    run = world.run
    other = run("ModelSamplingSD3", model=world.model, shift=5.0)[0]
    merged = run("ModelMergeSimple", model1=world.model, model2=world.model, ratio=0.5)[0]
    rescaled = run("RescaleCFG", model=world.model, multiplier=0.5)[0]
    for model in (other, merged, rescaled):
        train = {"model": model, "dataset": data, "name": "other", "steps": 1, "batch": 1}
        refused(lambda t=train: run("JoVATrainLoRA", **t), "Load JoVA Model")


@check
def case_20_rules_decide_what_is_kept(world):
    refused_first = world.case("20a")["set"][1]
    assert "less than 3 s" in refused_first
    assert "less than 3 s" not in world.case("20b")["set"][1]


@check
def a_deleted_data_set_is_made_again(world):
    import shutil

    node = world.run.classes["JoVAEncodeDataset"]
    inputs = {"model": world.model, "source": "sample clips (bundled)", "name": "deleted"}
    rules = {"codecs": "jova-mini (bundled)", "min_seconds": 1.0, "max_seconds": 4.0}
    state = {"source": inputs["source"], "name": inputs["name"], **rules, "min_face_share": 0.5}
    folder = Path(world.run("JoVAEncodeDataset", **inputs, **rules, min_face_share=0.5)[0])
    kept = node.fingerprint_inputs(**state)
    assert node.fingerprint_inputs(**state) == kept
    shutil.rmtree(folder)
    assert node.fingerprint_inputs(**state) != kept
    assert node.fingerprint_inputs(**state) != node.fingerprint_inputs(**state)


def main(root, pack, cases, output, results, *names):
    """Run the checks and write what became of them."""
    from host import Graph, boot

    nodes = boot(root, pack)
    import folder_paths

    folder_paths.set_output_directory(output)
    folder_paths.set_temp_directory(str(Path(output) / "temp"))
    world, found = World(Graph(nodes), Path(cases)), {}
    for name, function in CHECKS.items():
        if names and not any(part in name for part in names):
            continue
        try:
            function(world)
            found[name] = ""
        except BaseException as error:
            lines = traceback.format_exception(error)
            found[name] = "".join(lines)[-900:] or repr(error)
        print(name, "ok" if not found[name] else found[name], flush=True)  # noqa: T201
    Path(results).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
