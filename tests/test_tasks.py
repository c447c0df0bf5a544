"""Tasks on a film: what is kept of it is kept exactly, the rest is made."""

import math
from dataclasses import replace

import pytest
import torch

from jova_core.compositing import BORDER, FADE, join_audio, made_weights
from jova_core.decoding import decode_stream, generate
from jova_core.errors import JoVAError
from jova_core.given import Given, encode_given
from jova_core.mini import load_pipeline
from jova_core.model.jova import JoVA
from jova_core.mouth.area import mouth_area
from jova_core.pipeline import SampleSettings, sample
from jova_core.tasks import dub, dub_in_voice, extend, lip_sync, redo

from . import bundled

LINE, FPS = bundled.timeline(), bundled.config().video.fps
FRAMES = LINE.legal_frames(1)
FAST = SampleSettings(steps=4)


@pytest.fixture(scope="module")
def pipeline():
    """The bundled mini, told to take parts of pictures, which it was not trained on."""
    whole = load_pipeline()
    config = replace(whole.config, given_pictures="all")
    model = JoVA(config).eval()
    model.load_state_dict(whole.model.state_dict())
    return replace(whole, model=model)


@pytest.fixture(scope="module")
def material(pipeline):
    """Frames and audio of a bundled sample, and a mouth of 2 x 3 cells."""
    one, cells = bundled.sample(), bundled.side() // 8
    mouth = torch.zeros(LINE.video_latents(FRAMES), cells, cells)
    row, column = cells * 7 // 12, cells // 3
    mouth[:, row : row + 2, column : column + 3] = 1
    return one.frames[:FRAMES], one.audio[: LINE.audio_samples(FRAMES)], mouth


PROMPT = replace(bundled.sample().prompt, video_caption="")


def made(pipeline, given, frames=FRAMES):
    return generate(pipeline, PROMPT, frames, FAST, given=given)


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_kept_cells_of_a_noisy_frame_end_as_they_were_given(pipeline, material, solver):
    film, audio, mouth = material
    given = lip_sync(film, audio, mouth)
    known = encode_given(pipeline.config, pipeline.codecs, FRAMES, given)
    made = sample(pipeline, PROMPT, FRAMES, replace(FAST, solver=solver), given=given)
    area = mouth_area(mouth)
    torch.testing.assert_close(
        made.video[..., ~area], known.latents.video[..., ~area], atol=1e-4, rtol=1e-4
    )
    assert (made.video - known.latents.video)[..., area].abs().mean() > 0.05
    torch.testing.assert_close(made.audio, known.latents.audio)


@pytest.mark.parametrize("task", ["lip_sync", "dub"])
def test_outside_the_mouth_the_pixels_are_the_films(pipeline, material, task):
    film, audio, mouth = material
    given = lip_sync(film, audio, mouth) if task == "lip_sync" else dub(film, mouth)
    clip = made(pipeline, given)
    inside = mouth_area(mouth).repeat_interleave(8, 0).repeat_interleave(8, 1)
    assert torch.equal(clip.frames[:, ~inside], film[:, ~inside])
    assert not torch.equal(clip.frames[:, inside], film[:, inside])
    plain = made(pipeline, replace(given, video=film, made_video=None) if task == "dub" else given)
    assert len(clip.audio) == len(plain.audio) == pipeline.timeline.audio_samples(FRAMES)


def test_a_dub_in_the_films_voice_hears_it_first(pipeline, material):
    film, audio, mouth = material
    config, line = pipeline.config, pipeline.timeline
    given = dub_in_voice(config, film, audio, mouth)
    lead = int(FPS) // 4 * 4  # a second, in whole latents
    assert given.lead == lead
    assert torch.equal(given.video[lead:], film)
    latents = encode_given(config, pipeline.codecs, FRAMES + lead, given)
    assert latents.frames.tolist() == [True] * (lead // 4) + [False] * LINE.video_latents(FRAMES)
    # Until the frames of those latents end, in whole tokens.
    heard = LINE.frames(lead // 4) / FPS * LINE.audio_rate
    patch = config.audio_patch
    assert int(latents.audio.sum()) == int(heard) // patch * patch
    clip = made(pipeline, given)
    assert len(clip.frames) == FRAMES
    assert len(clip.audio) == line.audio_samples(FRAMES)
    inside = mouth_area(mouth).repeat_interleave(8, 0).repeat_interleave(8, 1)
    assert torch.equal(clip.frames[:, ~inside], film[:, ~inside])
    assert not torch.equal(clip.frames[:, inside], film[:, inside])
    other = replace(given, audio=torch.zeros_like(given.audio))
    assert not torch.allclose(made(pipeline, other).audio, clip.audio, atol=1e-3)


def test_a_film_as_long_as_the_longest_clip_is_dubbed_without_its_voice(pipeline, material):
    film, audio, mouth = material
    short = replace(pipeline.config, max_seconds=float((FRAMES + 1) / FPS))
    assert dub_in_voice(short, film, audio, mouth).lead == 0
    longer = replace(pipeline.config, max_seconds=float((FRAMES + 9) / FPS))
    assert dub_in_voice(longer, film, audio, mouth).lead == 8


@pytest.mark.parametrize("own_voice", [False, True])
def test_a_film_in_chunks_is_the_whole_film(pipeline, material, own_voice):
    film, audio, mouth = material
    given = dub(film, mouth)
    if own_voice:
        given = dub_in_voice(pipeline.config, film, audio, mouth)
    whole = made(pipeline, given)
    parts = decode_stream(pipeline, whole.latents, FRAMES, given=given, chunk=1)
    frames = torch.cat(list(parts.frames.checked()))
    assert (frames.int() - whole.frames.int()).abs().max() <= 1
    assert torch.equal(parts.audio, whole.audio)


def test_a_film_goes_on(pipeline, material):
    film, audio, _ = material
    line, longer = pipeline.timeline, FRAMES + 8
    given = extend(pipeline.config, film, audio, longer)
    clip = made(pipeline, given, longer)
    assert len(clip.frames) == longer
    assert torch.equal(clip.frames[:FRAMES], film)
    kept = int((~given.made_audio).sum()) * 512
    assert kept <= len(audio) < kept + 2 * 512
    faded = round(FADE * line.sample_rate)
    assert torch.equal(clip.audio[: kept - faded], audio[: kept - faded])
    assert not torch.equal(clip.audio[kept : len(audio)], audio[kept:])
    with pytest.raises(JoVAError, match="longer than the film"):
        extend(pipeline.config, film, audio, FRAMES)


@pytest.mark.parametrize("streams", ["both", "video", "audio"])
def test_a_stretch_is_made_anew(pipeline, material, streams):
    film, audio, _ = material
    given = redo(pipeline.config, film, audio, (0.3, 0.6), streams)
    clip = made(pipeline, given)
    same = (clip.frames == film).flatten(1).all(1).tolist()
    # Whole latents change.
    first = LINE.latent_of_frame(int(0.3 * FPS))
    ends = LINE.frames(LINE.latent_of_frame(math.ceil(0.6 * FPS) - 1) + 1)
    changed = set() if streams == "audio" else set(range(LINE.frames(first), ends))
    assert {frame for frame, kept in enumerate(same) if not kept} == changed
    different = (clip.audio != audio).nonzero()[:, 0]
    assert bool(len(different)) == (streams != "video")
    if streams != "video":
        assert different.max() < (ends / FPS + 2 / LINE.audio_rate + FADE) * 16000
        assert different.min() <= 0.3 * 16000
        assert different.max() >= 0.6 * 16000 - 512


@pytest.mark.parametrize("seconds", [(0.5, 0.4), (-1.0, 0.5), (2.0, 3.0)])
def test_a_stretch_outside_the_film_is_refused(pipeline, material, seconds):
    film, audio, _ = material
    with pytest.raises(JoVAError, match="two rising times within it"):
        redo(pipeline.config, film, audio, seconds)


def test_a_film_without_sound_gets_all_of_it(pipeline, material):
    film, _, _ = material
    given = redo(pipeline.config, film, None, (0.3, 0.6))
    assert given.made_audio.all()
    assert len(made(pipeline, given).audio) == pipeline.timeline.audio_samples(FRAMES)


def test_a_first_and_a_last_picture(pipeline, material):
    film, _, _ = material
    given = Given(image=film[0], last_image=film[-1])
    known = encode_given(pipeline.config, pipeline.codecs, FRAMES, given)
    assert known.frames.tolist() == [True, False, False, False, True]
    image, mask = known.pictures(known.latents.video)
    ends = [0, -1]
    assert torch.equal(image[:, :, ends], known.latents.video[:, :, ends])
    assert not image[:, :, 1:-1].any()
    assert mask[0, 0, :, 0, 0].tolist() == [1, 0, 0, 0, 1]
    clip = made(pipeline, given)
    for place, picture in ((0, film[0]), (-1, film[-1])):
        error = (clip.frames[place].float() - picture.float()).square().mean()
        assert error < 150  # 26 dB: the codec's own


def test_a_model_of_whole_pictures_refuses_parts(material):
    film, audio, mouth = material
    with pytest.raises(JoVAError, match="trained on masks"):
        sample(load_pipeline(), PROMPT, FRAMES, FAST, given=lip_sync(film, audio, mouth))


def test_the_border_is_soft_and_lies_within_what_is_made():
    cells = torch.zeros(1, 8, 8, dtype=torch.bool)
    cells[0, 4:8, 2:6] = True
    weights = made_weights(cells, 8)[0]
    assert not weights[:32].any()
    assert not weights[:, :16].any()
    column = weights[:, 32]
    assert (column[32 : 32 + BORDER].diff() > 0).all()
    assert (column[32 + BORDER :] == 1).all()  # the picture's own edge is no border


def test_audio_fades_within_what_is_kept():
    kept = torch.zeros(400, dtype=torch.bool)
    kept[:100], kept[300:] = True, True
    joined = join_audio(torch.ones(400), torch.zeros(400), kept, 20)
    assert not joined[:79].any()
    assert (joined[100:300] == 1).all()
    assert not joined[321:].any()
    assert (joined[79:100].diff() > 0).all()
    assert (joined.diff().abs() < 0.1).all()
