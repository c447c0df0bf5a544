"""Encoding a data set and drawing batches from it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from jova_core.codecs import MiniAudioCodec, MiniVideoCodec
from jova_core.codecs.checkpoint import LatentStats, MiniCodecs
from jova_core.codecs.text import MiniTextEncoder
from jova_core.config import PRESETS, JoVAError
from jova_core.latents import latent_shapes
from jova_core.minidata.dataset import load_dataset
from jova_core.minidata.vocabulary import published_vocabulary
from jova_core.model.block import call_block
from jova_core.model.jova import JoVA
from jova_core.training.data import LatentSet, encode_dataset, read_training
from jova_core.training.loop import losses
from jova_core.training.settings import Tasks, TrainSettings

_MINI = PRESETS["mini"]
MEAN, STD = (0.5,), (2.0,)
CONFIG = replace(
    _MINI,
    video=replace(_MINI.video, mean=MEAN * 16, std=STD * 16),
    audio=replace(_MINI.audio, mean=MEAN * 20, std=STD * 20),
)


def make_clips(root: Path, frames: tuple[int, ...]) -> Path:
    """A data set folder of random clips in the format of `jova data make-mini`."""
    (root / "clips").mkdir(parents=True)
    clips = []
    for number, count in enumerate(frames):
        name = f"{number:06d}"
        pixels = torch.randint(0, 255, (count, 24, 24, 3), dtype=torch.uint8)
        clip = {"frames": pixels, "audio": 0.1 * torch.randn(1000 * count)}
        clip |= {"lips": torch.zeros(count, 2), "mouth_box": torch.zeros(count, 4)}
        save_file(clip, root / "clips" / f"{name}.safetensors")
        clips.append(
            {
                "id": name,
                "split": "train",
                "video_caption": "a pale face with red hair on a blue background",
                "audio_caption": "a deep voice speaks",
                "transcript": "hello cat",
                "frames": count,
                "attributes": {},
                "voice": "deep",
                "words": [],
            }
        )
    index = {"format": "jova-clips-1", "seed": 0, "fps": 16, "sample_rate": 16000}
    index |= {"height": 24, "width": 24, "clips": clips}
    index["held_out"] = {"hair_background": [], "word_pairs": []}
    (root / "dataset.json").write_text(json.dumps(index))
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = make_clips(tmp_path_factory.mktemp("clips") / "set", (5, 5, 9))
    torch.manual_seed(0)
    stats = LatentStats(
        video_mean=torch.tensor(MEAN * 16),
        video_std=torch.tensor(STD * 16),
        audio_mean=torch.tensor(MEAN * 20),
        audio_std=torch.tensor(STD * 20),
    )
    codecs = MiniCodecs(video=MiniVideoCodec().eval(), audio=MiniAudioCodec().eval(), stats=stats)
    encode_dataset(load_dataset(root), codecs)
    masks = {f"00000{n}": torch.zeros((2, 3, 3), dtype=torch.uint8) for n in (0, 1)}
    masks["000002"] = torch.ones((3, 3, 3), dtype=torch.uint8)
    save_file(
        masks | {"000002": torch.ones((3, 3, 3), dtype=torch.uint8)}, root / "masks.safetensors"
    )
    return root


@pytest.fixture(scope="module")
def latents(root):
    return LatentSet(read_training(root), CONFIG)


@pytest.fixture(scope="module")
def encoder():
    return MiniTextEncoder(published_vocabulary(), CONFIG.text[0].max_tokens)


def test_encoding_writes_latents_of_the_timeline(root):
    stored = load_file(root / "latents.safetensors")
    for number, frames in enumerate((5, 5, 9)):
        video, audio = latent_shapes(CONFIG, frames, height=24, width=24)
        assert stored[f"{number:06d}.video"].shape == video[1:]
        assert stored[f"{number:06d}.audio"].shape == audio[1:]


def test_a_batch_depends_on_its_step_alone(latents, encoder):
    settings = TrainSettings(batch=4)
    one, again, other = (latents.batch(s, settings, encoder, torch.float32) for s in (3, 3, 4))
    assert torch.equal(one.x.video, again.x.video)
    assert torch.equal(one.conditioning.text[0], again.conditioning.text[0])
    assert one.x.video.shape != other.x.video.shape or not torch.equal(one.x.video, other.x.video)


def test_given_streams_are_clean_and_at_time_zero(latents, encoder):
    tasks = Tasks(independent=0.0, audio_given=1.0, video_given=0.0, image_given=1.0)
    batch = latents.batch(0, TrainSettings(batch=4, tasks=tasks), encoder, torch.float32)
    assert not batch.t_audio.any()
    assert not batch.made_audio.any()
    assert not batch.t_video[:, 0].any()
    assert (batch.t_video[:, 1:] > 0).all()
    torch.testing.assert_close(batch.conditioning.image[:, :, 0], batch.x.video[:, :, 0])
    assert not batch.conditioning.image[:, :, 1:].any()
    assert (batch.conditioning.image_mask[:, :, 0] == 1).all()


def test_x_and_target_lie_on_the_path(latents, encoder):
    tasks = Tasks(independent=1.0, audio_given=0.0, video_given=0.0, image_given=0.0)
    batch = latents.batch(1, TrainSettings(batch=4, tasks=tasks), encoder, torch.float32)
    sigma = batch.sigma_audio[:, None, None]
    clean = batch.x.audio - sigma * batch.target.audio
    noise = clean + batch.target.audio
    torch.testing.assert_close((1 - sigma) * clean + sigma * noise, batch.x.audio)
    known = torch.cat(
        [
            bucket.audio.float()
            for bucket in latents.buckets
            if bucket.audio.shape[-1] == clean.shape[-1]
        ]
    )
    nearest = (known[None] - clean[:, None]).abs().amax(dim=(2, 3)).amin(dim=1)
    assert (nearest < 1e-3).all()


def test_dropping_the_whole_prompt_gives_the_empty_one(latents, encoder):
    settings = TrainSettings(batch=4, drop_prompt=1.0)
    assert not latents.batch(0, settings, encoder, torch.float32).conditioning.text[0].any()


def test_missing_latents_say_what_to_run(root, tmp_path):
    shutil.copy(root / "dataset.json", tmp_path)
    with pytest.raises(JoVAError, match="jova data encode"):
        read_training(tmp_path)


def test_latents_are_normalised_by_the_config(root, latents):
    stored = load_file(root / "latents.safetensors")["000000.video"].float()
    torch.testing.assert_close(
        latents.buckets[0].video[0].float(), (stored - 0.5) / 2, atol=0.02, rtol=0.02
    )


def test_latents_of_other_codecs_are_refused(root):
    other = replace(CONFIG, video=replace(CONFIG.video, mean=(1.0,) * 16))
    with pytest.raises(JoVAError, match="other codecs"):
        LatentSet(read_training(root), other)


def test_a_step_of_the_voice_alone_has_no_pictures_and_no_given_voice(latents, encoder):
    tasks = Tasks(independent=0.0, audio_given=1.0, video_given=0.0, image_given=1.0)
    settings = TrainSettings(batch=4, tasks=tasks, audio_alone=1.0)
    batch = latents.batch(0, settings, encoder, torch.float32)
    assert batch.x.video is None
    assert batch.target.video is None
    assert batch.conditioning.image is None
    assert (batch.t_audio > 0).all()
    assert (batch.made_audio == 1).all()
    torch.manual_seed(0)
    model = JoVA(CONFIG)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    terms = losses(model, batch, settings, call_block)
    assert not terms.video.any()
    assert not terms.mouth.any()
    assert (terms.audio > 0).all()
    terms.weighed(1.0, 1.0).mean().backward()
    moved = {
        name.split(".")[2]
        for name, p in model.named_parameters()
        if p.grad is not None and p.grad.any() and name.startswith("double_blocks")
    }
    assert moved == {"audio", "text_a"}
    shares = [
        latents.batch(n, TrainSettings(batch=1, audio_alone=0.5), encoder, torch.float32).x.video
        is None
        for n in range(60)
    ]
    assert 15 < sum(shares) < 45
