"""Tasks on a film (JoVA Task) in ComfyUI, against the command line's core and against the film."""

import contextlib
import dataclasses

from world import CAPTION, apart, check, core_of, jova_sampler, streams


@check("lip-sync, dub, extend, redo (JoVA Task)")
def tasks_on_a_film_equal_the_command_lines(world):
    """Latents as `sample` makes them, and pixels of the film wherever it is kept."""
    import torch

    core, differences = core_of(world), []
    film, mouth = _film(world), _mouth(world)
    sample = core.samples.load_sample(core.samples.sample_names()[0])
    frames, audio = sample.frames[: len(film)], sample.audio
    cells = core.masks.by_latent(mouth[:, ::8, ::8] > 0, 4).float()
    tasks, config = core.tasks, _masked(core.mini.load_pipeline().config)
    long = len(film) + 8
    given = {
        "lip-sync": tasks.lip_sync(frames, audio, cells),
        "dub": tasks.dub(frames, cells),
        "dub in its voice": tasks.dub_in_voice(config, frames, audio, cells),
        "extend": tasks.extend(config, frames, audio, long),
        "redo": tasks.redo(config, frames, audio, (0.3, 0.6)),
    }
    with _taking_parts(world):
        for name, wanted in given.items():
            count = long if name == "extend" else len(film)
            made = _made(world, name, film, mouth, count)
            clip = core.decoding.generate(
                _pipeline(core), _prompt(core), count, _settings(core), given=wanted
            )
            differences += [apart(streams(made), _raw(core, clip.latents))]
            images, sound, _ = world.run(
                "JoVADecode",
                model=world.model(),
                latent=made,
                **dict(zip(("video_vae", "audio_vae"), world.vaes(), strict=True)),
            )
            levels = (images * 255).round().int() - clip.frames.int()
            assert levels.abs().max() <= 1, f"{name}: other pictures"
            assert (sound["waveform"][0, 0] - clip.audio).abs().max() < 2e-3, f"{name}: other sound"
            assert len(images) == count, f"{name}: {len(images)} frames"
            kept = ~wanted.made_video.flatten(1).any(1)
            first = int(kept.long().argmin())
            if first and not wanted.lead:
                same = (images[:1] * 255).round().byte()
                assert torch.equal(same, frames[:1]), f"{name}: the film changed"
    assert max(differences) < 1e-3, differences
    return f"latents as the command line's within {max(differences):.0e}"


def _film(world):
    video = world.run("JoVASampleMedia")[1]
    return video[: (len(video) - 1) // 4 * 4 + 1][:17]


def _mouth(world):
    """A MASK of the film's pixels with a box for the mouth."""
    import torch

    frames, height, width, _ = _film(world).shape
    mask = torch.zeros(frames, height, width)
    mask[:, height * 7 // 12 : height * 3 // 4, width // 3 : width * 7 // 12] = 1
    return mask


def _made(world, name, film, mouth, count):
    """The LATENT of JoVA Task, sampled."""
    video_vae, audio_vae = world.vaes()
    voice = world.run("JoVASampleMedia")[2]
    inputs = {"film": film, "video_vae": video_vae}
    if name != "dub":
        inputs |= {"audio": voice, "audio_vae": audio_vae}
    if name == "lip-sync" or name.startswith("dub"):
        inputs["mouth_mask"] = mouth
    if name == "redo":
        inputs |= {"redo_from": 0.3, "redo_to": 0.6}
    model, empty, task = world.model(), world.empty(frames=count, side=0), name.split(" ")[0]
    latent = world.run("JoVATask", model=model, latent=empty, given=task, **inputs)[0]
    settings = {"seed": 7, "steps": 4, "cfg_video": 3.0, "cfg_audio": 2.0}
    return jova_sampler(world, latent=latent, **settings)


def _masked(config):
    return dataclasses.replace(config, given_pictures="all")


@contextlib.contextmanager
def _taking_parts(world):
    """The bundled mini, told that it takes parts of pictures, which it was not trained on."""
    network = world.model().model.diffusion_model
    before = network.config
    network.config = _masked(before)
    try:
        yield
    finally:
        network.config = before


def _pipeline(core):
    pipeline = core.mini.load_pipeline()
    pipeline.model.config = _masked(pipeline.model.config)
    return pipeline


def _prompt(core):
    parts = {"audio_caption": "a clear voice speaks", "transcript": "hello"}
    return core.prompt.Prompt(video_caption=CAPTION, **parts)


def _settings(core):
    return core.pipeline.SampleSettings(seed=7, steps=4, cfg_video=3.0, cfg_audio=2.0)


def _raw(core, latents):
    raw = core.latents.denormalise(core.mini.load_pipeline().config, latents)
    return raw.video, raw.audio
