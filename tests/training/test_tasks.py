"""What each task gives, and that a batch tells the network so."""

from dataclasses import replace

import pytest
import torch

from jova_core.codecs import LatentStats
from jova_core.errors import JoVAError
from jova_core.mini.data.people_words import people_vocabulary
from jova_core.mini.text.encoder import MiniTextEncoder
from jova_core.mouth.area import face_area, mouth_area
from jova_core.presets import PRESETS
from jova_core.tasks import audio_stretch
from jova_core.timeline import Timeline
from jova_core.training.data import LatentSet
from jova_core.training.settings import Tasks, TrainSettings
from jova_core.training.shards import Encoded, TrainingClip
from jova_core.training.tasks import given_masks

CONFIG = PRESETS["mini2"]
LINE = Timeline.of(CONFIG)
FRAMES, LATENTS, SOUNDS, SIDE = 49, 13, 62, 24
SIZES = {"audio_latents": SOUNDS, "line": LINE, "audio_patch": CONFIG.audio_patch}
NONE = dict.fromkeys(("independent", "audio_given", "video_given", "image_given"), 0.0)


def mouths():
    """A mouth of 2 x 4 cells that moves one cell to the right half way."""
    mouth = torch.zeros(LATENTS, SIDE, SIDE)
    mouth[:6, 14:16, 10:14] = 1
    mouth[6:, 14:16, 11:15] = 1
    return mouth


def masks(task, *luck):
    luck = torch.tensor([*luck, *[0.0] * (4 - len(luck))])
    return given_masks(task, luck, mouths(), **SIZES)


def test_the_area_of_a_mouth_is_one_box_for_all_frames_with_the_jaw():
    rows, columns = mouth_area(mouths()).nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (13, 17, 9, 15)
    assert mouth_area(mouths()).sum() == 5 * 7
    rows, columns = mouth_area(mouths(), grown=1).nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 18, 8, 16)


def test_the_area_ends_with_the_picture_and_is_all_of_it_without_a_mouth():
    edge = torch.zeros(1, 6, 6)
    edge[0, 5, 0] = 1
    assert mouth_area(edge).nonzero().tolist() == [[4, 0], [4, 1], [5, 0], [5, 1]]
    assert mouth_area(torch.zeros(2, 3, 3)).all()


def test_the_face_reaches_from_the_brows_to_the_mouth():
    mouth = torch.zeros(1, 24, 24, dtype=torch.uint8)
    mouth[:, 15:18, 9:16] = 1
    rows, columns = face_area(mouth)[0].nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 17, 7, 17)
    assert not face_area(torch.zeros(1, 24, 24)).any()
    mouth[:, 0:3, :] = 1  # cut by the picture's border
    assert face_area(mouth)[0, :18].all()


@pytest.mark.parametrize(
    ("task", "video", "audio"),
    [("text", 0, 0), ("audio", 0, 1), ("video", 1, 0), ("first_last", 2 / LATENTS, 0)],
)
def test_whole_streams_and_frames(task, video, audio):
    given_video, given_audio = masks(task)
    assert given_video.float().mean() == pytest.approx(video)
    assert given_audio.float().mean() == audio


@pytest.mark.parametrize(("task", "heard"), [("lip_sync", True), ("dub", False)])
def test_all_but_the_mouth_is_given(task, heard):
    video, audio = masks(task)
    assert torch.equal(~video[3], mouth_area(mouths()))
    assert (video == video[:1]).all()
    assert audio.all() == audio.any() == heard


def test_half_of_the_dubs_follow_a_beginning_of_both():
    video, audio = masks("dub", 0, 0.5, 0.5)
    plain, _ = masks("dub")
    beginning, heard = masks("extend", 0.5)
    assert torch.equal(video, plain | beginning)
    assert torch.equal(audio, heard)


def test_an_extension_keeps_the_beginning_of_both():
    video, audio = masks("extend", 0.5)
    whole = video.flatten(1).all(1)
    assert torch.equal(whole, video.flatten(1).any(1))
    kept = int(whole.sum())
    assert kept == 7
    assert whole[:kept].all()
    # 25 frames last a second, 31.25 audio latents; the token that goes beyond is made.
    assert audio[:30].all()
    assert not audio[30:].any()


@pytest.mark.parametrize(("choice", "streams"), [(0.1, "both"), (0.5, "video"), (0.9, "audio")])
def test_a_stretch_is_made_anew(choice, streams):
    video, audio = masks("redo", 0.5, 0.3, choice)
    made_video, made_audio = ~video.flatten(1).all(1), ~audio
    assert made_video.any() == (streams != "audio")
    assert made_audio.any() == (streams != "video")
    if streams == "both":
        first, last = int(made_video.nonzero()[0]), int(made_video.nonzero()[-1]) + 1
        sounding = made_audio.nonzero()[:, 0]
        stretch = audio_stretch(LINE, first, last, SOUNDS, CONFIG.audio_patch)
        assert sounding.tolist() == list(range(stretch.start, stretch.stop))
        assert stretch.start / 31.25 <= LINE.frames(first) / 25
        assert stretch.stop / 31.25 >= min(LINE.frames(last), FRAMES) / 25


def test_a_stretch_never_is_empty_and_never_the_whole_clip():
    for number in range(200):
        luck = torch.rand(4, generator=torch.Generator().manual_seed(number))
        video, audio = given_masks("redo", luck, mouths(), **SIZES)
        made = (~video).any() or (~audio).any()
        assert made
        assert video.any()
        pairs = audio.view(-1, CONFIG.audio_patch)
        assert torch.equal(pairs.all(1), pairs.any(1)), "a token is given and made at once"


@pytest.fixture(scope="module")
def clips():
    """A data set of two clips of random latents, one of them with its speech in disguise."""
    torch.manual_seed(0)
    about = {"video_caption": "a face", "audio_caption": "a voice", "transcript": "hello"}
    infos = tuple(TrainingClip(id=name, frames=FRAMES, **about) for name in ("a", "b"))
    latents = {f"{i.id}.video": torch.randn(16, LATENTS, SIDE, SIDE) for i in infos}
    latents |= {f"{i.id}.audio": torch.randn(20, SOUNDS) for i in infos}
    latents["a.disguised"] = torch.randn(20, SOUNDS)
    stats = LatentStats(
        video_mean=torch.zeros(16),
        video_std=torch.ones(16),
        audio_mean=torch.zeros(20),
        audio_std=torch.ones(20),
    )
    encoded = Encoded(
        clips=infos, latents=latents, masks={i.id: mouths().byte() for i in infos}, stats=stats
    )
    return LatentSet(encoded, config_of(CONFIG))


def config_of(config):
    video = replace(config.video, mean=(0.0,) * 16, std=(1.0,) * 16)
    return replace(
        config, video=video, audio=replace(config.audio, mean=(0.0,) * 20, std=(1.0,) * 20)
    )


@pytest.fixture(scope="module")
def encoders():
    return (MiniTextEncoder.of(CONFIG, people_vocabulary()),)


def batch_of(clips, encoders, task, **settings):
    tasks = Tasks(**NONE | {task: 1.0})
    chosen = TrainSettings(batch=4, tasks=tasks, drop_prompt=0.0, drop_part=0.0, **settings)
    return clips.batch(0, chosen, encoders, torch.float32)


def test_what_is_given_in_a_noisy_frame_enters_clean_by_its_own_channels(clips, encoders):
    batch = batch_of(clips, encoders, "lip_sync")
    assert (batch.t_video > 0).all()
    assert not batch.t_audio.any()
    given = batch.conditioning.image_mask
    assert torch.equal(batch.made_video, 1 - given)
    assert 0 < batch.made_video.mean() < 0.3
    known = torch.stack(clips.buckets[0].video).float()
    rows = [int((batch.conditioning.image[i] - known * given[i]).flatten(1).norm(dim=1).argmin())
            for i in range(4)]  # fmt: skip
    assert torch.equal(batch.conditioning.image, known[rows] * given)
    # The noisy latents hide what is given as well.
    assert ((batch.x.video - known[rows]).abs() * given).amax() > 0.1


def test_whole_given_frames_are_clean_at_time_zero(clips, encoders):
    batch = batch_of(clips, encoders, "extend")
    frame = batch.made_video.amax(dim=(1, 3, 4))
    assert torch.equal(batch.t_video > 0, frame > 0)
    tokens = batch.made_audio[:, 0].view(4, -1, CONFIG.audio_patch)
    assert torch.equal(batch.t_audio > 0, tokens.amax(2) > 0)
    assert batch.t_audio.shape == (4, SOUNDS // CONFIG.audio_patch)
    image = batch.conditioning.image
    assert torch.equal(image != 0, (batch.x.video != 0) & (frame[:, None, :, None, None] == 0))


def test_a_model_of_first_pictures_sees_no_others_by_the_image_channels(clips, encoders):
    other = LatentSet.__new__(LatentSet)
    other.buckets = clips.buckets
    other.config = replace(clips.config, given_pictures="first")
    batch = batch_of(other, encoders, "extend")
    assert not batch.conditioning.image_mask.any()


def test_a_given_voice_may_be_another_and_have_no_words(clips, encoders):
    plain = batch_of(clips, encoders, "audio_given")
    other = batch_of(clips, encoders, "audio_given", disguised=1.0, drop_words=1.0)
    stored = clips.buckets[0].disguised[0].float()
    heard = [any(torch.equal(x, stored) for x in batch.x.audio) for batch in (plain, other)]
    assert heard == [False, True]
    assert not torch.equal(plain.conditioning.text[0], other.conditioning.text[0])


def test_shares_of_tasks_are_what_was_asked_for():
    tasks = Tasks(extend=0.1, redo=0.1, lip_sync=0.2, dub=0.1, first_last=0.05)
    drawn = [tasks.of(number / 1000) for number in range(1000)]
    counts = {name: drawn.count(name) for name in set(drawn)}
    assert counts == {
        "text": 210,
        "audio": 120,
        "video": 120,
        "extend": 100,
        "redo": 100,
        "lip_sync": 200,
        "dub": 100,
        "first_last": 50,
    }
    with pytest.raises(JoVAError, match="at most 1"):
        Tasks(extend=0.5, redo=0.5)
