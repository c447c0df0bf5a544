import json
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from jova_core.errors import JoVAError
from jova_core.mini.data import dataset as dataset_module
from jova_core.mini.data import load_clip, load_dataset, make_mini, script, speech, vocabulary

CLIPS, HELD_OUT, UNSEEN = 5, 4, 2
TOTAL = CLIPS + HELD_OUT + UNSEEN


@pytest.fixture(scope="module", autouse=True)
def one_bank():
    """Speaks all words once for this file; test_speech.py shows that a bank is repeatable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_module, "make_bank", cache(speech.make_bank))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    try:
        speech.load_espeak()
    except JoVAError as error:
        pytest.skip(str(error))
    calls = []
    root = tmp_path_factory.mktemp("mini") / "one"
    dataset = make_mini(
        root,
        clips=CLIPS,
        held_out_clips=HELD_OUT,
        unseen_clips=UNSEEN,
        seed=7,
        workers=1,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(n + 1, TOTAL) for n in range(TOTAL)]
    return dataset


@pytest.fixture(scope="module")
def scripts():
    """Many clips' texts and times over a bank of stand-in words, no speech needed."""
    words = (*vocabulary.WORDS, *vocabulary.UNSEEN_WORDS)
    lengths = np.random.default_rng(0).uniform(0.35, 0.65, size=len(words))
    bank = {
        (word, voice, variant): speech.Spoken(
            samples=np.ones(round(length * speech.SAMPLE_RATE), dtype=np.float32), phonemes=()
        )
        for word, length in zip(words, lengths, strict=True)
        for voice in vocabulary.VOICES
        for variant in range(len(speech.PROSODY))
    }
    held_out = vocabulary.held_out_pairs(0)
    return held_out, {
        split: [
            script.write_script(np.random.default_rng((0, n)), bank, held_out, split)
            for n in range(1000)
        ]
        for split in ("train", "heldout", "unseen")
    }


def test_index_reads_back_what_was_made(made):
    assert load_dataset(made.root) == made
    raw = json.loads((made.root / "dataset.json").read_text())
    assert raw["format"] == "jova-clips-1"
    assert (raw["fps"], raw["sample_rate"], raw["height"], raw["width"]) == (16, 16000, 96, 96)
    assert [clip["split"] for clip in raw["clips"]] == [
        *(["train"] * CLIPS + ["heldout"] * HELD_OUT + ["unseen"] * UNSEEN)
    ]


def test_clips_have_the_agreed_tensors(made):
    for info in made.clips:
        clip = {name: tensor.numpy() for name, tensor in load_clip(made, info).items()}
        frames = info.frames
        assert frames in (33, 49, 65)
        assert clip["frames"].shape == (frames, 96, 96, 3)
        assert clip["frames"].dtype == np.uint8
        assert clip["audio"].shape == (1000 * frames,)
        assert clip["audio"].dtype == clip["lips"].dtype == np.float32
        assert clip["lips"].shape == (frames, 2)
        assert clip["mouth_box"].shape == (frames, 4)
        assert 0.1 < np.abs(clip["audio"]).max() < 0.95
        assert (clip["mouth_box"][:, :2] < clip["mouth_box"][:, 2:]).all()


def test_sound_and_mouth_stay_inside_the_words(made):
    for info in made.clips:
        clip = load_clip(made, info)
        audio, opening = clip["audio"].numpy(), clip["lips"].numpy()[:, 0]
        samples, times = np.arange(len(audio)) / 16000, (np.arange(info.frames) + 0.5) / 16
        speaking = np.zeros(len(audio), dtype=bool)
        shown = np.zeros(info.frames, dtype=bool)
        for word in info.words:
            inside = (samples >= word.start - 1e-3) & (samples <= word.end + 1e-3)
            assert 0.05 < np.sqrt(np.mean(audio[inside] ** 2)) < 0.2
            speaking |= inside
            now = (times >= word.start) & (times <= word.end)
            assert opening[now].max() > 2
            shown |= now
        assert (audio[~speaking] == 0).all()
        assert (opening[~shown] == 0).all()


def test_files_are_the_same_for_any_number_of_workers(made, tmp_path):
    counts = {"clips": CLIPS, "held_out_clips": HELD_OUT, "unseen_clips": UNSEEN}
    other = make_mini(tmp_path, **counts, seed=7, workers=2)
    names = ["dataset.json", *(f"clips/{info.id}.safetensors" for info in made.clips)]
    assert {p.name for p in (tmp_path / "clips").iterdir()} == {n[6:] for n in names[1:]}
    for name in names:
        assert (other.root / name).read_bytes() == (made.root / name).read_bytes(), name


def test_held_out_pairs_never_train_and_held_out_clips_use_them(scripts):
    held_out, made = scripts
    looks, pairs = set(held_out.hair_background), set(held_out.word_pairs)
    for split, clips in made.items():
        for clip in clips:
            look = (clip.attributes["hair"], clip.attributes["background"])
            assert (look in looks) == (split == "heldout")
            spoken = set(pairwise(clip.words))
            if split == "unseen":
                assert set(clip.words) <= set(vocabulary.UNSEEN_WORDS)
            elif split == "train":
                assert not spoken & pairs
            elif len(clip.words) > 1:
                assert spoken & pairs


def test_training_shows_every_word_colour_and_voice(scripts):
    _, made = scripts
    clips = made["train"]
    assert {word for clip in clips for word in clip.words} == set(vocabulary.WORDS)
    assert {clip.voice for clip in clips} == set(vocabulary.VOICES)
    seen = {clip.attributes["shirt"] for clip in clips}
    assert seen == {*vocabulary.SHIRTS, None}
    assert 0.22 < np.mean([clip.attributes["shirt"] is None for clip in clips]) < 0.38


def test_words_fit_and_their_times_are_spread_widely(scripts):
    _, made = scripts
    starts, pauses = [], []
    for clip in made["train"]:
        starts.append(clip.starts[0])
        pauses += [b - a for a, b in zip(clip.ends[:-1], clip.starts[1:], strict=True)]
        assert clip.starts[0] >= 0.1 - 1e-3
        assert clip.ends[-1] <= clip.frames / 16 - 0.1 + 1e-3
    assert np.std(starts) > 0.4
    assert min(pauses) >= 0.08 - 1e-3
    assert max(pauses) <= 0.8 + 1e-3
    assert np.std(pauses) > 0.12


def test_limit_bends_peaks_and_leaves_the_rest():
    samples = np.array([0.1, -0.39, 0.8, -3.0], dtype=np.float32)
    made = script.limit(samples)
    assert np.array_equal(made[:2], samples[:2])
    assert np.abs(made).max() < 0.95
    assert made[2] < 0.8


@pytest.mark.parametrize(
    "bad", [{"clips": 0}, {"workers": 0}, {"held_out_clips": -1}, {"unseen_clips": -1}]
)
def test_bad_numbers_are_refused(tmp_path, bad):
    with pytest.raises(JoVAError, match="start at 1"):
        make_mini(tmp_path, **bad)


def test_a_folder_with_a_data_set_is_not_overwritten(made):
    with pytest.raises(JoVAError, match="already contains"):
        make_mini(made.root, clips=1)


def test_unreadable_indexes_say_what_to_do(tmp_path):
    with pytest.raises(JoVAError, match=r"no dataset\.json"):
        load_dataset(tmp_path)
    index = tmp_path / "dataset.json"
    index.write_text("{")
    with pytest.raises(JoVAError, match="not valid JSON"):
        load_dataset(tmp_path)
    index.write_text('{"format": "other"}')
    with pytest.raises(JoVAError, match="format 'other'"):
        load_dataset(tmp_path)
    for text in ("[]", '{"format": "jova-clips-1"}', '{"format": "jova-clips-1", "clips": [1]}'):
        index.write_text(text)
        with pytest.raises(JoVAError, match="render the data set again"):
            load_dataset(tmp_path)
