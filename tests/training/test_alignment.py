"""Telling apart which sound of the transcript each audio latent speaks."""

from dataclasses import replace
from math import log, nan

import pytest
import torch

from jova_core.codecs import LatentStats
from jova_core.errors import JoVAError
from jova_core.mini.data.vocabulary import published_vocabulary
from jova_core.mini.text.encoder import MiniTextEncoder
from jova_core.model.block import call_block
from jova_core.model.joint import Joint
from jova_core.model.jova import JoVA
from jova_core.presets import PRESETS
from jova_core.timeline import Timeline
from jova_core.training.alignment import AlignmentLoss, Heard, heard_sounds
from jova_core.training.data import LatentSet
from jova_core.training.initialise import initialise
from jova_core.training.loop import losses
from jova_core.training.settings import Tasks, TrainSettings
from jova_core.training.shards import Encoded, TrainingClip

_MINI2 = PRESETS["mini2"]
MEAN, STD = (0.0,), (1.0,)
CONFIG = replace(
    _MINI2,
    dual_blocks=1,
    single_blocks=2,
    video=replace(_MINI2.video, mean=MEAN * 16, std=STD * 16),
    audio=replace(_MINI2.audio, mean=MEAN * _MINI2.audio.channels, std=STD * _MINI2.audio.channels),
)
LATENTS = 32
# "my cat": M AY K AE T, all but the K timed, over latents of 32 ms.
TIMES = torch.tensor([[0.1, 0.2], [0.2, 0.4], [nan, nan], [0.4, 0.5], [0.6, 0.7]])


def test_a_latent_speaks_the_sound_at_its_middle():
    heard = heard_sounds(TIMES, 24, 31.25).tolist()
    assert heard[:3] == [-1] * 3
    assert heard[3:6] == [0] * 3
    assert heard[6:12] == [1] * 6
    assert heard[12:16] == [3] * 4
    assert heard[16:19] == [-1] * 3
    assert heard[19:22] == [4] * 3
    assert heard[22:] == [-1] * 2


def test_the_place_is_half_way_through_the_blocks():
    sounds = torch.zeros(1, 4)
    places = [(1, 5), (4, 1), (2, 2), (1, 1)]
    found = [
        Heard.of(sounds, replace(CONFIG, dual_blocks=dual, single_blocks=single)).place
        for dual, single in places
    ]
    assert found == [
        ("single_block", 1),
        ("double_block", 1),
        ("double_block", 1),
        ("double_block", 0),
    ]


PLACE = ("double_block", 0)


def measured(heard, *segments):
    """The loss where blocks give these segments, `[B, n, dim]` or `[B, T, P, dim]`."""
    layout = tuple((1, *part.shape[1:-1])[-2:] for part in segments)
    rows = torch.cat([part.flatten(1, -2) for part in segments], dim=1)
    joint = Joint(rows={"a": rows.shape[1]}, vec={}, layout=layout, rope=(rows, rows))
    loss = AlignmentLoss(lambda *_: rows, heard)
    loss(None, ("double_block", 1), rows, joint, None)
    assert not loss.value.any()
    assert loss(None, PLACE, rows, joint, None) is rows
    return loss.value


def test_tokens_like_the_text_of_their_sound_cost_little():
    torch.manual_seed(0)
    text = torch.randn(2, 5, 64)
    heard = torch.tensor([[0, 0, 1, 1, 4, -1], [-1, -1, -1, -1, -1, -1]]).short()
    heard, alike = Heard(sounds=heard, place=PLACE), text[:, [0, 1, 4]]
    value = measured(heard, alike, text)
    assert value[1] == 0
    assert value[0] < 0.05
    assert measured(heard, alike.roll(1, 1), text)[0] > 3
    uniform = measured(heard, torch.zeros(2, 3, 64), text)[0]
    assert float(uniform) == pytest.approx(log(5))


def test_mouths_like_the_text_of_their_sound_cost_little():
    torch.manual_seed(0)
    line, text = Timeline.of(CONFIG), torch.randn(1, 5, 64)
    # A sound for each latent frame: 1, 4 and 4 frames of 40 ms are 1, 5 and 5 audio latents.
    sounds = torch.tensor([[2, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, -1]]).short()
    cells = torch.zeros(1, 1, 3, 24, 24)
    cells[:, :, :, 15:17, 10:14] = 1
    heard = Heard.of(sounds, replace(CONFIG, single_blocks=1), cells)
    assert heard.place == PLACE
    assert line.audio_latents(9) == 12
    assert heard.frame.tolist() == [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]
    rows, columns = heard.mouth[0, 0].view(8, 8).nonzero().unbind(1)
    assert set(rows.tolist()) == {5}
    assert set(columns.tolist()) == {3, 4}
    video, audio = torch.randn(1, 3, 64, 64), text[:, [2, 0, 0, 1, 1, 1]]
    spoken = measured(Heard(sounds=sounds, place=PLACE), audio, text)
    other = measured(heard, audio, text, text, video)
    video[:, :, 43:45] = text[:, [2, 0, 1], None]
    alike = measured(heard, audio, text, text, video)
    assert float(alike - spoken) < 0.05
    assert float(other - spoken) > 1


@pytest.fixture(scope="module")
def encoders():
    spec = CONFIG.text[0]
    return (MiniTextEncoder(published_vocabulary(), spec.max_tokens, CONFIG.prompt, spec.name),)


STATS = LatentStats(
    **{
        f"{stream}_{kind}": torch.full((getattr(CONFIG, stream).channels,), value)
        for stream in ("video", "audio")
        for kind, value in (("mean", 0.0), ("std", 1.0))
    }
)


def spoken(config=CONFIG, *, times=TIMES):
    """Two voices alone, the second of unknown times."""
    words = {"video_caption": "", "audio_caption": "", "transcript": "my cat"}
    clips = tuple(TrainingClip(id=name, frames=0, **words) for name in "ab")
    shape = (CONFIG.audio.channels, LATENTS)
    latents = {f"{name}.audio": torch.randn(shape).bfloat16() for name in "ab"}
    if times is not None:
        latents["a.sounds"] = times
    return LatentSet(Encoded(clips=clips, latents=latents, masks={}, stats=STATS), config)


SETTINGS = TrainSettings(
    batch=16, audio_alone=1.0, alignment_weight=0.5, compile=False, tasks=Tasks(independent=0)
)


def test_a_batch_says_what_is_heard_where_the_transcript_is_read(encoders):
    heard = spoken().batch(0, SETTINGS, encoders, torch.float32).heard.sounds
    known, none = heard_sounds(TIMES, LATENTS, 31.25), torch.full((LATENTS,), -1)
    is_known = (heard == known).all(1)
    assert (is_known | (heard == none).all(1)).all()
    assert 0 < is_known.sum() < 16
    without = replace(SETTINGS, drop_part=1.0)
    assert (spoken().batch(0, without, encoders, torch.float32).heard.sounds == -1).all()
    plain = replace(SETTINGS, alignment_weight=0)
    assert spoken().batch(0, plain, encoders, torch.float32).heard is None


def test_joint_steps_on_a_part_of_the_pictures_train_both_branches(encoders):
    torch.manual_seed(0)
    model = JoVA(CONFIG)
    initialise(model, 0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    words = {"video_caption": "", "audio_caption": "", "transcript": "my cat"}
    latents = {"a.video": torch.randn(16, 3, 24, 24).bfloat16(), "a.sounds": TIMES / 2}
    latents["a.audio"] = torch.randn(CONFIG.audio.channels, 12).bfloat16()
    mouth = torch.zeros(3, 24, 24, dtype=torch.uint8)
    mouth[:, 15:18, 9:14] = 1
    clips = (TrainingClip(id="a", frames=9, **words),)
    data = LatentSet(Encoded(clips=clips, latents=latents, masks={"a": mouth}, stats=STATS), CONFIG)
    settings = replace(SETTINGS, audio_alone=0.0, places=0.3, drop_prompt=0.0, drop_part=0.0)
    batch = data.batch(0, settings, encoders, torch.float32)
    terms = losses(model, batch, settings, call_block)
    assert (terms.alignment > 0).all()
    (terms.alignment.mean()).backward()
    for branch in ("a", "v"):
        assert model.single_blocks[0][branch].qkv.weight.grad is None
        assert model.double_blocks[0][f"text_{branch}"].qkv.weight.grad.any()


def test_what_cannot_be_aligned_is_refused(encoders):
    with pytest.raises(JoVAError, match="No clip of the data tells when the sounds"):
        spoken(times=None).batch(0, SETTINGS, encoders, torch.float32)
    prompt = replace(CONFIG.prompt, order=("video_caption", "audio_caption", "transcript"))
    with pytest.raises(JoVAError, match="first tokens are the sounds"):
        spoken(replace(CONFIG, prompt=prompt)).batch(0, SETTINGS, encoders, torch.float32)


def test_training_on_it_tells_sounds_apart(encoders):
    torch.manual_seed(0)
    model, data = JoVA(CONFIG), spoken()
    initialise(model, 0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    values = []
    for step in range(30):
        batch = data.batch(16 * step, SETTINGS, encoders, torch.float32)
        terms = losses(model, batch, SETTINGS, call_block)
        plain = terms.weighed(replace(SETTINGS, alignment_weight=0))
        torch.testing.assert_close(terms.weighed(SETTINGS), plain + 0.5 * terms.alignment)
        terms.weighed(SETTINGS).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        found = terms.alignment.detach()
        values.append(float(found.sum() / (found > 0).sum()))
    assert sum(values[-5:]) < 0.5 * sum(values[:5])
