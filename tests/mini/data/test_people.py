"""Clips of people: the same numbers give the same clip, with the masks of a detector."""

from dataclasses import replace
from functools import partial
from itertools import count, pairwise

import numpy as np
import pytest
import torch

from jova_core.__main__ import main
from jova_core.codecs import LatentStats
from jova_core.commands.train import fresh_config
from jova_core.errors import JoVAError
from jova_core.latents import latent_shapes
from jova_core.mini.codecs import (
    AudioCodecConfig,
    MiniAudioCodec,
    MiniVideoCodec,
    VideoCodecConfig,
    load_codecs,
    save_codecs,
)
from jova_core.mini.codecs.clips import open_clips
from jova_core.mini.codecs.evaluate import evaluate_codecs
from jova_core.mini.codecs.forms import FORMS
from jova_core.mini.codecs.train import train_audio_codec, train_video_codec, write_codecs
from jova_core.mini.data import people_clips, people_source
from jova_core.mini.data.people_clips import (
    FPS,
    FRAME_COUNTS,
    PER_LOOK,
    Casting,
    ClipNumber,
    choose,
    phrases_of,
    write_script,
)
from jova_core.mini.data.people_films import make_films
from jova_core.mini.data.people_source import PeopleSource
from jova_core.mini.data.people_words import people_vocabulary
from jova_core.mini.evaluation import people_looks
from jova_core.mini.evaluation.people import truths
from jova_core.mini.people import held_out_looks
from jova_core.mini.text.encoder import MiniTextEncoder
from jova_core.mini.voices.cache import Utterance, write_plan, write_speech
from jova_core.mini.voices.cast import find_voice
from jova_core.mini.voices.speech import SAMPLE_RATE, Phone, Speech
from jova_core.mouth.landmarks import LipDetector
from jova_core.mouth.masks import latent_mask
from jova_core.presets import PRESETS
from jova_core.timeline import Timeline
from jova_core.training.data import LatentSet
from jova_core.training.settings import TrainSettings
from jova_core.training.shards import read_encoded
from jova_core.training.source import RejectedError
from jova_core.training.stream import ClipStream, StreamRules

CONFIG = PRESETS["mini2"]


def speech(seconds, pitch=150.0):
    """A tone that opens and closes the mouth."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    names, step = ("M", "AA", "B", "IY"), seconds / 4
    phones = tuple(
        Phone(symbol=n, stress=int(len(n) == 2), start=i * step, end=(i + 1) * step, word=0)
        for i, n in enumerate(names)
    )
    samples = (0.1 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)
    return Speech(samples=samples, phones=phones)


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Twelve spoken phrases of two voices and one that is not spoken yet."""
    folder = tmp_path_factory.mktemp("voices")
    plan = {}
    for number in range(13):
        voice, split = ("kore", "lewis")[number % 2], "train" if number < 9 else "heldout"
        words = ("hello", "you", "there")[: 1 + number % 3]
        said = Utterance(
            split=split, voice=voice, words=words, text=" ".join(words), tempo=1 + number / 1000
        )
        plan[said.key("1")] = said
    write_plan(folder, plan)
    for number, key in enumerate(plan):
        if number != 7:
            write_speech(folder, key, speech(0.4 + 0.1 * number))
    return folder


@pytest.fixture(scope="module")
def source(voices):
    return PeopleSource(voices=voices, clips=24, stills=8, casting=Casting(seed=3, cast=4))


def test_frames_and_audio_latents_fit_each_other_exactly():
    line = Timeline.of(CONFIG)
    for frames in FRAME_COUNTS:
        assert line.is_legal(frames)
        assert line.audio_samples(frames) == 640 * frames
        assert line.audio_latents(frames) == 5 * (line.video_latents(frames) - 1) + 2
        assert line.audio_latents(frames) % CONFIG.audio_patch == 0


def test_who_and_what_follow_from_the_number_alone(voices, source):
    entries = source.entries()
    again = PeopleSource(voices=voices, clips=24, stills=8, casting=Casting(seed=3, cast=4))
    assert [source.key(e) for e in entries] == [again.key(e) for e in entries]
    assert len({source.key(e) for e in entries}) == len(entries)
    other = PeopleSource(voices=voices, clips=24, casting=Casting(seed=4, cast=4))
    assert not {source.key(e) for e in entries} & {other.key(e) for e in other.entries()}


def test_clips_whose_phrase_is_not_spoken_wait(voices, source):
    phrases = phrases_of(voices, "train")
    missing = list(phrases.utterances)[7]
    entries = [ClipNumber("clip", n) for n in range(24)]
    waiting = {e for e in entries if missing in choose(source.casting, phrases, e).keys}
    assert waiting
    assert not waiting & set(source.entries())
    assert source.waiting() >= len(waiting)
    spoken = PeopleSource.of_spoken(voices, source.casting, clips=24, stills=8)
    assert missing not in spoken.keys
    assert not spoken.waiting()
    assert len(spoken.entries()) == 32


def test_voices_agree_with_people_and_some_clips_are_silent(voices):
    casting, phrases = Casting(seed=1, cast=30), phrases_of(voices, "train")
    choices = [choose(casting, phrases, ClipNumber("clip", n)) for n in range(600)]
    for choice in choices:
        for key in choice.keys:
            assert find_voice(phrases.utterances[key].voice).sex == choice.person.sex
    silent = sum(not choice.keys for choice in choices) / len(choices)
    assert 0.1 < silent < 0.2
    assert {len(choice.keys) for choice in choices} == {0, 1, 2}
    assert len({choice.person.seed for choice in choices}) <= 30
    looks = {(c.person.shirt, c.person.background, c.person.light) for c in choices}
    assert len(looks) == 600 / PER_LOOK["clip"]


def test_held_out_looks_are_in_their_split_alone(voices):
    held = set(held_out_looks(2))
    for split, inside in (("train", False), ("heldout", True)):
        casting = Casting(seed=2, split=split)
        phrases = phrases_of(voices, split)
        people = [choose(casting, phrases, ClipNumber("clip", 8 * n)).person for n in range(60)]
        assert {((p.hair_colour, p.background) in held) for p in people} == {inside}


def test_phrases_begin_anywhere_and_stay_inside():
    said = Utterance(split="train", voice="kore", words=("a",), text="a", tempo=1.0)
    starts, counts = [], set()
    for seed in range(200):
        script = write_script(
            np.random.default_rng(seed), [(said, speech(0.5)), (said, speech(0.4))]
        )
        counts.add(script.frames)
        assert len(script.audio) == script.frames * SAMPLE_RATE // FPS
        assert script.phones[-1].end <= script.frames / FPS
        assert all(a.end <= b.start + 1e-6 for a, b in pairwise(script.phones))
        assert script.transcript == "a a"
        loud = np.flatnonzero(script.audio)
        assert abs(loud[0] / SAMPLE_RATE - script.phones[0].start) < 0.01
        starts.append(script.phones[0].start)
    assert counts == {49, 73}
    assert np.std(starts) > 0.25
    assert write_script(np.random.default_rng(0), [(said, speech(3.5))]) is None


def test_the_vocabulary_holds_every_word_of_a_clip(voices):
    vocabulary, phrases = people_vocabulary(), phrases_of(voices, "train")
    for number in range(0, 400, 8):
        choice = choose(Casting(seed=5), phrases, ClipNumber("clip", number))
        prompt = people_source.Prompt(video_caption=choice.person.caption)
        assert not vocabulary.unknown(prompt)


def test_other_configs_are_refused(source):
    with pytest.raises(JoVAError, match="mini2"):
        source.read(source.entries()[0], PRESETS["mini"])


@pytest.fixture(scope="module")
def drawn(source):
    """The first clips of the first look and a still, drawn at 192 px."""
    pytest.importorskip("numba")
    entries = source.entries()
    stills = [e for e in entries if e.kind == "still"]
    return {e: source.read(e, CONFIG) for e in (*entries[:2], stills[0])}


def test_a_clip_is_drawn_at_the_rates_of_the_config(drawn):
    for entry, clip in drawn.items():
        frames = len(clip.frames)
        assert frames in ((1,) if entry.kind == "still" else FRAME_COUNTS)
        assert clip.frames.shape == (frames, 192, 192, 3)
        assert clip.audio.shape == (640 * frames,)
        video, _ = latent_shapes(CONFIG, frames)
        assert clip.mouth.shape == video[2:]
        assert 0.005 < clip.mouth.float().mean() < 0.12
        assert clip.prompt.video_caption
        if entry.kind == "still":
            assert not clip.prompt.transcript
            assert not clip.audio.any()


def test_the_same_clip_again_has_the_same_pixels(source, drawn):
    entry, clip = next(iter(drawn.items()))
    people_source._head.cache_clear()
    again = source.read(entry, CONFIG)
    assert torch.equal(again.frames, clip.frames)
    assert torch.equal(again.audio, clip.audio)
    assert torch.equal(again.mouth, clip.mouth)


def test_true_masks_agree_with_a_detectors(drawn, landmarker):
    overlaps = []
    with LipDetector(landmarker) as detector:
        for clip in drawn.values():
            if len(clip.frames) == 1:
                continue
            frames = clip.frames[:25]
            track = detector.detect(frames, every=2)
            found = latent_mask(track.boxes, track.found, height=192, width=192).bool()
            true = clip.mouth[: len(found)]
            overlaps += [
                float((a & b).sum() / (a | b).sum()) for a, b in zip(found, true, strict=True)
            ]
    assert np.median(overlaps) >= 0.7


def test_the_casting_says_what_is_wrong():
    with pytest.raises(JoVAError, match="at least one person"):
        Casting(cast=0)
    with pytest.raises(JoVAError, match="expected train"):
        Casting(split="test")
    assert replace(Casting(), seed=1).cast == people_clips.Casting().cast


@pytest.fixture(scope="module")
def codecs(tmp_path_factory):
    """Both codecs of the preset mini2 by name, a few channels wide."""
    torch.manual_seed(0)
    video = VideoCodecConfig(
        name=CONFIG.video.codec, width=16, hidden=8, encoder_blocks=1, decoder_blocks=1
    )
    audio = AudioCodecConfig(
        name=CONFIG.audio.codec,
        encoder_width=8,
        encoder_blocks=1,
        decoder_width=8,
        decoder_blocks=1,
        mel_bands=20,
    )
    stats = LatentStats(
        video_mean=torch.zeros(16),
        video_std=torch.ones(16),
        audio_mean=torch.zeros(20),
        audio_std=torch.ones(20),
    )
    path = tmp_path_factory.mktemp("codecs") / "codecs.safetensors"
    save_codecs(path, MiniVideoCodec(video), MiniAudioCodec(audio), stats)
    return path


def test_voices_without_pictures_are_encoded_and_trained_on(voices, codecs, tmp_path):
    out = tmp_path / "out"
    command = ["data", "encode", str(voices), "--people", "--out", str(out), "--codecs"]
    command += [str(codecs), "--workers", "1", "--cast", "4", "--stills", "0", "--spoken"]
    assert main([*command, "--clips", "0", "--voices-alone", "12"]) == 0
    encoded = read_encoded(out)
    assert len(encoded.clips) == 12
    assert not encoded.masks
    config = fresh_config("mini2", codecs)
    voices_alone = LatentSet(encoded, config)
    assert not voices_alone.buckets
    lengths = [bucket.audio[0].shape[-1] for bucket in voices_alone.spoken]
    assert set(lengths) <= {Timeline.of(CONFIG).audio_latents(frames) for frames in FRAME_COUNTS}
    encoders = (MiniTextEncoder.of(config, people_vocabulary()),)
    settings = TrainSettings(batch=4, audio_alone=1.0)
    batch = voices_alone.batch(0, settings, encoders, torch.float32)
    assert batch.x.audio.shape[0] == 4
    with pytest.raises(JoVAError, match="no clips with pictures and sound"):
        voices_alone.batch(0, TrainSettings(batch=4), encoders, torch.float32)


def test_the_command_encodes_people_and_goes_on_later(voices, codecs, tmp_path, capsys):
    pytest.importorskip("numba")
    command = ["data", "encode", str(voices), "--people", "--out", str(tmp_path / "out")]
    command += ["--codecs", str(codecs), "--workers", "1", "--seed", "3", "--cast", "4"]
    assert main([*command, "--clips", "1", "--stills", "1"]) == 0
    first = read_encoded(tmp_path / "out").clips
    assert main([*command, "--clips", "3", "--stills", "1"]) == 0
    assert len(list((tmp_path / "out").glob("shard-*"))) == 2
    clips = read_encoded(tmp_path / "out").clips
    assert {clip.id for clip in first} < {clip.id for clip in clips}
    assert sorted(clip.frames for clip in clips)[0] == 1
    listed = PeopleSource(voices=voices, clips=3, stills=1, casting=Casting(seed=3, cast=4))
    assert len(clips) == len(listed.entries()) < 4
    told = capsys.readouterr()
    assert f"{len(clips)} clips encoded, 0 refused" in told.out
    assert "1 clips wait" in told.err


class LongPhrases(PeopleSource):
    """The first clip's phrase fits in no length."""

    def read(self, entry, config):
        if entry.number == 0:
            raise RejectedError("its phrase is longer than the longest clip")
        return super().read(entry, config)


def test_a_phrase_that_fits_in_no_clip_is_left_out_of_an_evaluation(voices):
    pytest.importorskip("numba")
    spoken = PeopleSource.of_spoken(voices, Casting(seed=3, cast=4))
    source = LongPhrases(voices=voices, casting=spoken.casting, keys=spoken.keys, clips=3)
    entries = [ClipNumber("still", number) for number in range(2)]
    ((entry, clip),) = source.read_fitting(entries, CONFIG)
    assert (entry, len(clip.frames)) == (entries[1], 1)
    assert all(truth.entry.number > 0 for truth in truths(source, CONFIG, 1))
    assert len(people_looks._draw_look(source, CONFIG, entries)) == 1


class FewOfEachLook(PeopleSource):
    """A film and a single picture at a time, so that the first batch comes soon."""

    def groups(self, first):
        for number in count(first):
            yield [ClipNumber(kind, number) for kind in ("clip", "still", "voice")]


def test_people_come_as_a_stream(voices, codecs):
    pytest.importorskip("numba")
    config = fresh_config("mini2", codecs)
    spoken = PeopleSource.of_spoken(voices, Casting(seed=3, cast=4))
    source = FewOfEachLook(voices=voices, casting=spoken.casting, keys=spoken.keys)
    encoders = (MiniTextEncoder.of(config, people_vocabulary()),)
    settings = TrainSettings(batch=2, alone_times=2, alignment_weight=1.0)
    rules = StreamRules(workers=1, least=9)
    load = partial(load_codecs, codecs)
    with ClipStream(source, config, load, settings, encoders, rules=rules) as stream:
        joint = stream.batch(0, settings, encoders, torch.float32)
        still = stream.batch(0, replace(settings, stills=1.0), encoders, torch.float32)
        voice = stream.batch(0, replace(settings, audio_alone=1.0), encoders, torch.float32)
    assert stream.spoken
    assert voice.heard.sounds.shape == (4, voice.x.audio.shape[2])
    assert joint.heard.sounds.shape == (2, joint.x.audio.shape[2])
    assert still.heard is None
    assert voice.x.audio.shape[2] in {32, 62, 92}
    assert voice.conditioning.text[0].shape[1] < 80 == joint.conditioning.text[0].shape[1]
    assert joint.x.video.shape[2:] in {(t, 24, 24) for t in (7, 13, 19)}
    assert joint.x.audio.shape[2] == 5 * (joint.x.video.shape[2] - 1) + 2
    assert joint.mouth.any()
    assert still.x.video.shape == (4, 16, 1, 24, 24)
    assert still.x.audio is None


def test_codecs_learn_from_films_of_people(voices, tmp_path):
    pytest.importorskip("numba")
    folder, form = tmp_path / "films", FORMS["mini2"]
    for _ in range(2):  # the second time draws nothing
        make_films(folder, voices, CONFIG, clips=2, held_out=1, seed=3, workers=1)
    clips = open_clips(folder)
    assert (len(clips.train), len(clips.heldout), len(clips.speech)) == (2, 1, 8)
    parts = [tmp_path / "video.safetensors", tmp_path / "audio.safetensors"]
    short = {"steps": 2, "batch": 2, "compiled": False, "form": form}
    train_video_codec(folder, parts[0], **short)
    train_audio_codec(folder, parts[1], critic=True, **short)
    write_codecs(folder, *parts, tmp_path / "codecs.safetensors", form=form)
    assert load_codecs(tmp_path / "codecs.safetensors").video.name == CONFIG.video.codec
    figures = evaluate_codecs(folder, tmp_path / "codecs.safetensors")
    assert figures["psnr"] > 20
    assert figures["seams"] > 1.05  # a linear codec, as this one nearly is, shows its blocks


def test_a_judge_of_looks_is_trained_once_on_drawn_pictures(voices, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(people_looks, "PICTURES", 4)
    monkeypatch.setattr(people_looks, "STEPS", 2)
    source = PeopleSource.of_spoken(voices, Casting(seed=3, cast=4, split="heldout"), clips=1)
    drawn = []
    first = people_looks.looks_for(
        source, CONFIG, workers=1, progress=lambda done, of: drawn.append((done, of))
    )
    again = people_looks.looks_for(source, CONFIG)  # which draws nothing
    assert drawn == [(4, 4)]
    picture = torch.full((1, 192, 192, 3), 128, dtype=torch.uint8)
    assert first.classify(picture) == again.classify(picture)
    assert set(first.classify(picture)) == set(people_looks.CLASSES)
    (voices / people_looks.FILE_NAME).write_bytes(b"no tensors")
    with pytest.raises(JoVAError, match=people_looks.FILE_NAME):
        people_looks.looks_for(source, CONFIG)
    (voices / people_looks.FILE_NAME).unlink()
