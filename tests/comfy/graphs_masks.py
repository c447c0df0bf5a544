"""Masks of every form that core makes, before and after our nodes."""

from graph_world import apart, check, parts, refused


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

    video, audio = world.separate(world.give_sound(world.empty(49)))
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
