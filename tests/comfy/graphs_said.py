"""Nothing is dropped without a word, and what cannot be used is named."""

from graph_world import apart, check, parts, refused


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
