"""Figures of clips of people, from made-up judgements and from a film that is kept as it is."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from jova_core.__main__ import main
from jova_core.mini.evaluation import listening
from jova_core.mini.evaluation.film_tasks import (
    FilmTasks,
    _border,
    _closed_share,
    _flux,
    _step,
)
from jova_core.mini.evaluation.people import Judged, Truth, summarise, wrong_looks
from jova_core.mini.evaluation.people_looks import wanted_looks
from jova_core.mouth.landmarks import LipTrack
from jova_core.presets import PRESETS
from jova_core.prompt import Prompt
from jova_core.training.source import SourceClip

FRAMES = 49
CAPTION = "a calm old man with pale skin and a bald head in a red shirt on a blue background"


def track(opening):
    opening = torch.as_tensor(opening, dtype=torch.float32)
    everywhere = torch.ones(len(opening), dtype=torch.bool)
    return LipTrack(
        boxes=torch.zeros(len(opening), 4),
        opening=opening,
        width=opening.flip(0),
        face=torch.full((len(opening),), 40.0),
        found=everywhere,
        measured=everywhere,
    )


def moves(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(FRAMES, generator=generator, dtype=torch.float64)


def judged(words, seed, *, speaker=None, follows=True, looks=None):
    voice = moves(seed)
    return Judged(
        words=words,
        phonemes=["HH", "AH", "L", "OW"],
        naturalness=3.0 + seed / 10,
        speaker=speaker,
        lips=track(voice if follows else moves(seed + 100)),
        envelope=voice,
        flicker=0.5,
        seams=1.01,
        looks=looks or wanted_looks(CAPTION),
    )


def truth(words, seed=0):
    film = torch.randint(0, 255, (FRAMES, 64, 64, 3), generator=torch.Generator().manual_seed(seed))
    mouth = torch.zeros(13, 8, 8, dtype=torch.bool)
    mouth[:, 4:6, 3:5] = True
    prompt = Prompt(video_caption=CAPTION, audio_caption="a voice", transcript=words)
    wave = 0.1 * torch.randn(640 * FRAMES, generator=torch.Generator().manual_seed(seed))
    clip = SourceClip(frames=film.byte(), audio=wave, prompt=prompt, mouth=mouth)
    return Truth(entry=None, clip=clip, phones=("HH", "AH", "L", "OW"))


def test_right_words_lips_and_speakers_are_told_from_wrong_ones():
    cases = [truth("hello there", 0), truth("good morning", 1), truth("my cat", 2)]
    eye = np.eye(3)
    right = [judged(case.words, i, speaker=eye[i]) for i, case in enumerate(cases)]
    wrong = [judged(["no"], i, speaker=eye[(i + 1) % 3], follows=False) for i in range(3)]
    good, bad = (summarise(cases, made, right, shuffles=20) for made in (right, wrong))
    assert good["words"] == 1
    assert bad["words"] == 0
    assert good["phoneme_errors"] == 0
    assert good["sync"] > 0.99
    assert abs(bad["sync"]) < 0.5
    assert good["sync_shuffled_p95"] < good["sync"]
    assert (good["speaker"], good["speaker_shuffled"]) == (1, 0)
    assert bad["speaker"] == 0
    assert good["naturalness"] == pytest.approx(3.1)
    assert good["offset_frames"] == 0
    assert good["attributes"] == 1


def test_attributes_that_are_seen_otherwise_are_counted():
    case = truth("my cat")
    seen = wanted_looks(CAPTION) | {"shirt": "blue", "hair_colour": "red"}
    assert wrong_looks(case, judged(["my", "cat"], 0, looks=seen)) == {"shirt": "blue"}
    figures = summarise([case], [judged([], 0, looks=seen)], [judged([], 0)], shuffles=5)
    assert figures["attribute_shirt"] == 0
    assert figures["attribute_skin"] == 1
    assert figures["attributes"] == pytest.approx(8 / 9)  # nobody bald has a colour of hair


def test_lips_that_close_in_time_are_counted():
    opening = torch.ones(FRAMES)
    opening[10:12] = 0
    lips = track(opening)
    assert _closed_share(lips, [(10 / 25, 11 / 25)]) == 1
    assert _closed_share(lips, [(20 / 25, 21 / 25), (10 / 25, 12 / 25)]) == 0.5
    assert math.isnan(_closed_share(lips, []))


def test_a_jump_at_a_join_stands_out():
    steps = torch.ones(40)
    assert _step(steps, 20) == 1
    steps[20] = 3
    assert _step(steps, 20) == 3
    wave = torch.sin(torch.arange(16000) * 0.2)
    wave[8000:] = torch.sin(torch.arange(8000) * 0.9)
    assert int(_flux(wave).argmax()) in (49, 50)


def test_an_edge_along_the_border_is_seen():
    frames = torch.full((2, 16, 16, 3), 100, dtype=torch.uint8)
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[8:, 4:12] = True
    assert _border(frames, inside) == 0
    frames[:, inside] = 110
    assert _border(frames, inside) == 10


class Lips:
    """Finds lips that open as the frames are bright."""

    def detect(self, frames):
        return track(frames.float().flatten(1).mean(1))


def test_a_film_that_stays_as_it_is_has_nothing_changed_outside(monkeypatch):
    """What is made: the given film with other pixels in the mouth's area only."""
    judged = "jova_core.mini.evaluation.film_tasks"
    monkeypatch.setattr(f"{judged}.heard_words", lambda _: ["my", "cat"])
    monkeypatch.setattr(f"{judged}.speaker", lambda _: np.array([0.6, 0.8]))

    def make(prompt, frames, seed, given):
        made = given.video[given.lead :].clone()
        made[:, 32:48, 24:40] += 1
        return SimpleNamespace(frames=made, audio=torch.randn(640 * frames))

    same = SimpleNamespace(encode=lambda x: x, decode=lambda x: x)
    tasks = FilmTasks(
        make=make,
        source=None,
        config=PRESETS["mini2"],
        codecs=SimpleNamespace(video=same, audio=same),
        detector=Lips(),
    )
    row = tasks.dub(truth("hello there"), truth("my cat", 1), 0)
    row |= tasks.lip_sync(truth("hello there"), truth("my cat", 1), 0)
    assert row["dub_words"] == 1
    assert row["dub_speaker"] == pytest.approx(1)
    assert row["dub_outside"] == row["lip_sync_outside"] == 0
    assert row["lip_sync_border"] == pytest.approx(1, abs=0.1)


def test_missing_judges_are_named_before_anything_is_loaded(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(listening, "missing_judges", lambda: {"phonemes": ("hama",)})
    assert main(["eval-mini", str(tmp_path), "--people"]) == 2
    assert "hama" in capsys.readouterr().err
