"""A user's clips: read, refused with a reason, encoded once, trained on."""

import json
import os
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

from jova_core.__main__ import main
from jova_core.errors import JoVAError
from jova_core.latents import latent_shapes
from jova_core.media import write_clip
from jova_core.mini import MINI, MINI_CODECS
from jova_core.mini.codecs.checkpoint import load_codecs
from jova_core.mini.samples import load_sample
from jova_core.model.checkpoint import load_jova
from jova_core.mouth.landmarks import MODEL_VARIABLE
from jova_core.training import files_source
from jova_core.training.data import LatentSet
from jova_core.training.encode import encode_clips
from jova_core.training.files_source import EncodeRules, FileSource
from jova_core.training.manifest import Entry, read_manifest
from jova_core.training.shards import PATTERN, read_encoded

SHARED = Path(os.environ.get("JOVA_SHARED", Path(__file__).parents[3] / "shared"))
MODEL = Path(os.environ.get(MODEL_VARIABLE, SHARED / "data/face_landmarker.task"))
needs_model = pytest.mark.skipif(not MODEL.is_file(), reason="no face_landmarker.task")
LOAD = partial(load_codecs, MINI_CODECS)
NAMES = ("brown-hair", "blond-hair", "purple-hair")


def film(path: Path, name: str = NAMES[0], *, frames=None, audio=None, fps=None) -> str:
    """A bundled character as a file of a user's."""
    sample = load_sample(name)
    pictures = sample.frames if frames is None else frames
    sound = sample.audio if audio is None else audio
    write_clip(path, pictures, sound, fps=fps or sample.fps, sample_rate=sample.sample_rate)
    return path.name


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty good clips and ten broken ones, with their list."""
    root = tmp_path_factory.mktemp("clips")
    sample = load_sample(NAMES[0])
    for name in NAMES:
        film(root / f"{name}.mp4", name)
    good = [f"{i:02d}.mp4" for i in range(20)]
    for i, name in enumerate(good):
        shutil.copy(root / f"{NAMES[i % 3]}.mp4", root / name)
    blank = torch.full_like(sample.frames, 90)
    film(root / "no-face.mp4", frames=blank)
    film(root / "silent.mp4", audio=torch.zeros_like(sample.audio))
    write_clip(root / "mute.mp4", sample.frames, None, fps=sample.fps, sample_rate=16000)
    film(root / "short.mp4", frames=sample.frames[:9])
    film(root / "slow.mp4", fps=4)
    whole = (root / "00.mp4").read_bytes()
    (root / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    (root / "text.mp4").write_text("no film")
    (root / "empty.mp4").write_bytes(b"")
    broken = {
        "no-face.mp4": "face was found in 0%",
        "silent.mp4": "silent",
        "mute.mp4": "no sound",
        "short.mp4": "less than 1 s",
        "slow.mp4": "too few",
        "cut.mp4": "less than 1 s",
        "text.mp4": "not a media file",
        "empty.mp4": "empty",
        "gone.mp4": "does not exist",
        "no-caption.mp4": "no caption",
    }
    shutil.copy(root / "00.mp4", root / "no-caption.mp4")
    lines = [
        {"video": name, "video_caption": "a face" if name != "no-caption.mp4" else ""}
        for name in (*good, *broken)
    ]
    lines[0] |= {"transcript": "hello", "audio_caption": "a low voice speaks"}
    (root / "clips.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return root, broken


@pytest.fixture(scope="module")
def encoded(folder, tmp_path_factory):
    root, _ = folder
    out = tmp_path_factory.mktemp("out")
    config = load_jova(MINI).config
    entries = read_manifest(root / "clips.jsonl")
    outcomes = encode_clips(FileSource(entries), out, config, LOAD, workers=2, model_path=MODEL)
    return out, config, entries, outcomes


@needs_model
def test_broken_clips_are_named_with_their_reasons_and_the_rest_is_encoded(folder, encoded):
    _, broken = folder
    _, _, entries, outcomes = encoded
    assert len(outcomes) == len({entry.key() for entry in entries}) == 30
    refused = {Path(o.source).name: o.reason for o in outcomes if o.clip is None}
    assert refused.keys() == broken.keys()
    for name, words in broken.items():
        assert words in refused[name]


@needs_model
def test_a_second_run_does_only_what_is_new(folder, encoded):
    root, _ = folder
    out, config, entries, outcomes = encoded
    before = {path: path.stat().st_mtime_ns for path in out.glob(PATTERN)}
    again = encode_clips(FileSource(entries), out, config, LOAD, workers=1, model_path=MODEL)
    assert again == outcomes
    assert {path: path.stat().st_mtime_ns for path in out.glob(PATTERN)} == before
    shutil.copy(root / "01.mp4", root / "new.mp4")
    (root / "new.jsonl").write_text('{"video": "new.mp4", "transcript": "hello"}')
    more = read_manifest(root / "new.jsonl")
    made = encode_clips(
        FileSource([*entries, *more]), out, config, LOAD, workers=1, model_path=MODEL
    )
    assert made[:-1] == outcomes
    assert made[-1].clip.transcript == "hello"
    assert len(list(out.glob(PATTERN))) == len(before) + 1


@needs_model
def test_other_rules_look_at_a_refused_clip_again(tmp_path):
    sample = load_sample(NAMES[0])
    entry = Entry(
        video=tmp_path / film(tmp_path / "a.mp4", frames=sample.frames[:17]), transcript="a"
    )
    config, out = load_jova(MINI).config, tmp_path / "out"
    how = {"workers": 1, "model_path": MODEL}
    strict, loose = (FileSource([entry], EncodeRules(min_seconds=s)) for s in (2.0, 1.0))
    assert "less than 2 s" in encode_clips(strict, out, config, LOAD, **how)[0].reason
    assert encode_clips(loose, out, config, LOAD, **how)[0].clip is not None


@needs_model
def test_shards_hold_what_training_reads(encoded):
    out, config, _, outcomes = encoded
    data = read_encoded(out)
    first = outcomes[0].clip
    assert (first.transcript, first.audio_caption) == ("hello", "a low voice speaks")
    video, audio = latent_shapes(config, first.frames, height=96, width=96)
    assert data.latents[f"{first.id}.video"].shape == video[1:]
    assert data.latents[f"{first.id}.audio"].shape == audio[1:]
    mouth = data.masks[first.id]
    assert mouth.shape == video[2:]
    assert 0.02 < mouth.float().mean() < 0.3
    buckets = LatentSet(data, config).buckets
    assert sum(len(bucket.clips) for bucket in buckets) >= 20


@needs_model
def test_a_mask_of_the_users_own_is_taken_and_needs_no_face(tmp_path):
    sample = load_sample(NAMES[0])
    film(tmp_path / "a.mp4", frames=torch.full_like(sample.frames, 90))
    white = torch.zeros(1, 96, 96, 3, dtype=torch.uint8)
    white[:, 64:72, 40:56] = 255
    write_clip(tmp_path / "a.png", white, None, fps=16, sample_rate=16000)
    line = {"video": "a.mp4", "mouth": "a.png", "video_caption": "a wall"}
    (tmp_path / "a.jsonl").write_text(json.dumps(line))
    out, config = tmp_path / "out", load_jova(MINI).config
    entries = read_manifest(tmp_path / "a.jsonl")
    (outcome,) = encode_clips(
        FileSource(entries), out, config, LOAD, workers=1, model_path="nowhere"
    )
    mouth = read_encoded(out).masks[outcome.clip.id]
    assert mouth[3].nonzero().tolist() == [[8, 5], [8, 6]]
    assert torch.equal(mouth, mouth[:1].expand_as(mouth))


@needs_model
def test_the_command_takes_a_folder_with_prompts(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(MODEL_VARIABLE, str(MODEL))
    clips = tmp_path / "mine"
    clips.mkdir()
    film(clips / "a.mp4")
    (clips / "a.txt").write_text('a tan face says "hello friend"')
    film(clips / "b.mp4")
    assert main(["data", "encode", str(clips), "--workers", "1"]) == 0
    said = capsys.readouterr()
    assert "1 clips encoded, 1 refused" in said.out
    assert "b.mp4: refused: it has no caption" in said.err
    (clip,) = read_encoded(tmp_path / "mine_encoded").clips
    assert (clip.video_caption, clip.transcript) == ("a tan face", "hello friend")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1 is not valid JSON"),
        ('{"transcript": "a"}', "has no video"),
        ('{"video": "a.mp4", "caption": "a"}', "'caption' is unknown or not text"),
        ('{"video": "a.mp4", "transcript": 3}', "'transcript' is unknown or not text"),
        ("", "empty"),
        ("\n", "has no clips"),
    ],
)
def test_a_wrong_list_names_its_line(tmp_path, line, words):
    (tmp_path / "x.jsonl").write_text(line)
    with pytest.raises(JoVAError, match=words):
        read_manifest(tmp_path / "x.jsonl")


def test_an_empty_folder_and_wrong_lengths_get_a_sentence(tmp_path):
    with pytest.raises(JoVAError, match="has no clips"):
        read_manifest(tmp_path)
    with pytest.raises(JoVAError, match="minimum above 0"):
        EncodeRules(min_seconds=5)


@needs_model
def test_a_clip_that_the_list_no_longer_names_is_not_trained_on(tmp_path):
    clips = [Entry(video=tmp_path / film(tmp_path / f"{n}.mp4", n), transcript=n) for n in NAMES]
    config, out, seen = load_jova(MINI).config, tmp_path / "out", []
    how = {"workers": 1, "model_path": MODEL}
    progress = lambda done, total: seen.append((done, total))  # noqa: E731
    encode_clips(FileSource(clips), out, config, LOAD, **how, progress=progress)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    encode_clips(FileSource(clips[:2]), out, config, LOAD, **how)
    assert {clip.transcript for clip in read_encoded(out).clips} == set(NAMES[:2])
    encode_clips(FileSource(clips), out, config, LOAD, **how)
    assert {clip.transcript for clip in read_encoded(out).clips} == set(NAMES)
    assert len(list(out.glob(PATTERN))) == 1, "nothing was encoded twice"


@needs_model
def test_any_error_in_one_clip_is_its_row(tmp_path, monkeypatch):
    """Whatever a library raises, the other clips of the run are encoded."""
    clips = [Entry(video=tmp_path / film(tmp_path / f"{n}.mp4", n), transcript=n) for n in NAMES]
    clips.append(Entry(video=clips[0].video, problem="its caption cannot be read"))
    real = files_source.read_video

    def fail(path, **options):
        if NAMES[1] in str(path):
            raise IndexError("list index out of range")
        return real(path, **options)

    monkeypatch.setattr(files_source, "read_video", fail)
    config, how = load_jova(MINI).config, {"workers": 1, "model_path": MODEL}
    made = encode_clips(FileSource(clips), tmp_path / "out", config, LOAD, **how)
    assert [outcome.clip is not None for outcome in made] == [True, False, True, False]
    assert "IndexError: list index out of range" in made[1].reason
    assert made[3].reason == "its caption cannot be read"
