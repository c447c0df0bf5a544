"""Joint steps on a part of the pictures."""

from dataclasses import replace

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.latents import AVLatents, Conditioning
from jova_core.model.block import call_block
from jova_core.model.jova import JoVA
from jova_core.presets import PRESETS
from jova_core.training.places import Places, cells_of, choose_places, only_places
from jova_core.training.settings import TrainSettings

CONFIG = replace(PRESETS["mini_ablation"], single_blocks=1, dual_blocks=1)
PATCH = CONFIG.patch


def mouths(batch=3, rows=24):
    mask = torch.zeros(batch, 1, 2, rows, rows)
    mask[0, :, 1, 15:18, 9:13] = 1
    mask[1, :, 0, 16:17, 12:13] = 1
    return mask


def test_the_mouths_of_all_clips_are_kept_and_others_at_random():
    generator = torch.Generator().manual_seed(0)
    drawn = [choose_places(mouths(), PATCH, 0.25, generator) for _ in range(8)]
    assert {(len(p.kept), p.of) for p in drawn} == {(16, 64)}
    for places in drawn:
        assert (places.kept.diff() > 0).all()
        assert (cells_of(places, PATCH, (24, 24)) >= mouths().amax((0, 1, 2))).all()
    assert len({tuple(p.kept.tolist()) for p in drawn}) == 8
    assert set(torch.cat([p.kept for p in drawn]).tolist()) >= set(range(0, 64, 9))


def test_cells_are_whole_places_cut_at_the_edges():
    cells = cells_of(Places(torch.tensor([0, 5]), 6), PATCH, (6, 8))
    assert cells.tolist() == [[1, 1, 1, 0, 0, 0, 0, 0]] * 3 + [[0] * 6 + [1, 1]] * 3


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = JoVA(CONFIG).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


def predict(model, video, run=call_block, *, whole=True):
    torch.manual_seed(1)
    batch, _, frames = video.shape[:3]
    spec = CONFIG.text[0]
    text = (torch.randn(batch, spec.max_tokens, spec.width),)
    audio = torch.randn(batch, CONFIG.audio.channels, 6)
    times = torch.rand(batch, frames) * 1000
    given = Conditioning(text=text)
    with torch.no_grad():
        x = AVLatents(video=video, audio=audio)
        return model(x, times, times[:, 0], given, run=run, whole=whole)


def test_all_places_are_the_whole_step(model):
    video = torch.randn(2, 16, 3, 6, 9)
    whole = predict(model, video)
    every = predict(model, video, only_places(call_block, Places(torch.arange(6), 6)))
    torch.testing.assert_close(every.video, whole.video)
    torch.testing.assert_close(every.audio, whole.audio)


def test_nothing_is_seen_of_the_places_that_are_left_out(model):
    """What they show changes nothing that is kept; what is kept changes all that is kept."""
    places = Places(torch.tensor([1, 2, 5]), 6)
    run = only_places(call_block, places)
    kept = cells_of(places, PATCH, (6, 9)).bool()
    video = torch.randn(2, 16, 3, 6, 9)
    first = predict(model, video, run, whole=False)
    other = torch.where(kept, video, torch.randn(2, 16, 3, 6, 9))
    second = predict(model, other, run, whole=False)
    torch.testing.assert_close(first.video[..., kept], second.video[..., kept])
    torch.testing.assert_close(first.audio, second.audio)
    moved = predict(model, torch.where(kept, video + 1, video), run)
    assert (moved.audio - first.audio).abs().max() > 1e-3


def test_kept_places_stand_where_they_were(model):
    """A sequence of fewer tokens, each with the angles of its place and its frame's time."""
    seen = []

    def record(block, place, x, joint, attend):
        seen.append((x.clone(), joint))
        return call_block(block, place, x, joint, attend)

    video = torch.randn(1, 16, 3, 6, 9)
    predict(model, video, record)
    whole = list(seen)
    seen.clear()
    predict(model, video, only_places(record, Places(torch.tensor([1, 4]), 6)))
    for (x, joint), (part, fewer) in zip(whole, seen, strict=True):
        first = x.shape[1] - 18
        rows = [*range(first), *(first + 6 * t + p for t in range(3) for p in (1, 4))]
        assert part.shape[1] == len(rows) == sum(fewer.rows.values())
        assert sum(groups * size for groups, size in fewer.layout) == len(rows)
        assert fewer.layout[-1] == (3, 2)
        for mine, theirs in zip(fewer.rope, joint.rope, strict=True):
            assert torch.equal(mine, theirs[rows])
    assert torch.equal(whole[0][0][:, rows], seen[0][0])


def test_a_share_of_nothing_is_refused():
    with pytest.raises(JoVAError, match="places is 0"):
        TrainSettings(places=0.0)
