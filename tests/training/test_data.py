"""Encoding a data set and drawing batches from it."""

from dataclasses import replace

import pytest
import torch

from jova_core.codecs import Codecs, LatentStats
from jova_core.errors import JoVAError
from jova_core.flow.path import shift_sigma
from jova_core.latents import AVLatents, latent_shapes
from jova_core.mini.codecs import MiniAudioCodec, MiniVideoCodec
from jova_core.mini.data.vocabulary import published_vocabulary
from jova_core.mini.text.encoder import MiniTextEncoder
from jova_core.model.block import call_block
from jova_core.model.jova import JoVA
from jova_core.presets import PRESETS
from jova_core.prompt import Prompt
from jova_core.training.data import LatentSet
from jova_core.training.encode import encode_clips
from jova_core.training.loop import losses
from jova_core.training.places import cells_of
from jova_core.training.settings import Tasks, TrainSettings
from jova_core.training.shards import read_encoded
from jova_core.training.source import SourceClip

_MINI = PRESETS["mini"]
MEAN, STD = (0.5,), (2.0,)
CONFIG = replace(
    _MINI,
    video=replace(_MINI.video, mean=MEAN * 16, std=STD * 16, width=24, height=24),
    audio=replace(_MINI.audio, mean=MEAN * 20, std=STD * 20),
)


class RandomSource:
    """Clips of random pixels and samples."""

    def entries(self):
        return list(enumerate((5, 5, 9)))

    def key(self, entry):
        return f"{entry[0]}"

    def name(self, entry):
        return f"clip {entry[0]}"

    def needs_mouths(self):
        return False

    def read(self, entry, config):
        number, frames = entry
        generator = torch.Generator().manual_seed(number)
        height, width = config.video.height, config.video.width
        pixels = torch.randint(0, 255, (frames, height, width, 3), generator=generator).byte()
        mouth = torch.full((1 + frames // 4, height // 8, width // 8), number == 2)
        return SourceClip(
            frames=pixels,
            audio=0.1 * torch.randn(1000 * frames, generator=generator),
            prompt=Prompt(
                video_caption="a pale face with red hair on a blue background",
                audio_caption="a deep voice speaks",
                transcript="hello cat",
            ),
            mouth=mouth,
        )


def load_random_codecs() -> Codecs:
    torch.manual_seed(0)
    stats = LatentStats(
        video_mean=torch.tensor(MEAN * 16),
        video_std=torch.tensor(STD * 16),
        audio_mean=torch.tensor(MEAN * 20),
        audio_std=torch.tensor(STD * 20),
    )
    return Codecs(video=MiniVideoCodec().eval(), audio=MiniAudioCodec().eval(), stats=stats)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips") / "set"
    encode_clips(RandomSource(), root, CONFIG, load_random_codecs, workers=1)
    return root


@pytest.fixture(scope="module")
def latents(root):
    return LatentSet(read_encoded(root), CONFIG)


@pytest.fixture(scope="module")
def encoders():
    return (MiniTextEncoder(published_vocabulary(), CONFIG.text[0].max_tokens),)


def test_encoding_writes_latents_of_the_timeline(root):
    encoded = read_encoded(root)
    assert [clip.frames for clip in encoded.clips] == [5, 5, 9]
    for clip in encoded.clips:
        video, audio = latent_shapes(CONFIG, clip.frames, height=24, width=24)
        assert encoded.latents[f"{clip.id}.video"].shape == video[1:]
        assert encoded.latents[f"{clip.id}.audio"].shape == audio[1:]
        assert encoded.masks[clip.id].shape == video[2:]


def test_a_batch_depends_on_its_step_alone(latents, encoders):
    settings = TrainSettings(batch=4)
    one, again, other = (latents.batch(s, settings, encoders, torch.float32) for s in (3, 3, 4))
    assert torch.equal(one.x.video, again.x.video)
    assert torch.equal(one.conditioning.text[0], again.conditioning.text[0])
    assert one.x.video.shape != other.x.video.shape or not torch.equal(one.x.video, other.x.video)


def test_given_streams_are_clean_and_at_time_zero(latents, encoders):
    tasks = Tasks(independent=0.0, audio_given=1.0, video_given=0.0, image_given=1.0)
    batch = latents.batch(0, TrainSettings(batch=4, tasks=tasks), encoders, torch.float32)
    assert not batch.t_audio.any()
    assert not batch.made_audio.any()
    assert not batch.t_video[:, 0].any()
    assert (batch.t_video[:, 1:] > 0).all()
    torch.testing.assert_close(batch.conditioning.image[:, :, 0], batch.x.video[:, :, 0])
    assert not batch.conditioning.image[:, :, 1:].any()
    assert (batch.conditioning.image_mask[:, :, 0] == 1).all()


def test_x_and_target_lie_on_the_path(latents, encoders):
    tasks = Tasks(independent=1.0, audio_given=0.0, video_given=0.0, image_given=0.0)
    batch = latents.batch(1, TrainSettings(batch=4, tasks=tasks), encoders, torch.float32)
    sigma = batch.sigma_audio[:, None, None]
    clean = batch.x.audio - sigma * batch.target.audio
    noise = clean + batch.target.audio
    torch.testing.assert_close((1 - sigma) * clean + sigma * noise, batch.x.audio)
    known = torch.cat(
        [
            torch.stack(bucket.audio).float()
            for bucket in latents.buckets
            if bucket.audio[0].shape[-1] == clean.shape[-1]
        ]
    )
    nearest = (known[None] - clean[:, None]).abs().amax(dim=(2, 3)).amin(dim=1)
    assert (nearest < 1e-3).all()


def test_dropping_the_whole_prompt_gives_the_empty_one(latents, encoders):
    settings = TrainSettings(batch=4, drop_prompt=1.0)
    assert not latents.batch(0, settings, encoders, torch.float32).conditioning.text[0].any()


def test_missing_latents_say_what_to_run(tmp_path):
    with pytest.raises(JoVAError, match="jova data encode"):
        read_encoded(tmp_path)


def test_latents_are_normalised_by_the_config(root, latents):
    encoded = read_encoded(root)
    stored = encoded.latents[f"{encoded.clips[0].id}.video"].float()
    torch.testing.assert_close(
        latents.buckets[0].video[0].float(), (stored - 0.5) / 2, atol=0.02, rtol=0.02
    )


def test_latents_of_other_codecs_are_refused(root):
    other = replace(CONFIG, video=replace(CONFIG.video, mean=(1.0,) * 16))
    with pytest.raises(JoVAError, match="other codecs"):
        LatentSet(read_encoded(root), other)


def test_a_step_of_the_voice_alone_has_no_pictures_and_no_given_voice(latents, encoders):
    tasks = Tasks(independent=0.0, audio_given=1.0, video_given=0.0, image_given=1.0)
    settings = TrainSettings(batch=4, tasks=tasks, audio_alone=1.0)
    batch = latents.batch(0, settings, encoders, torch.float32)
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
    terms.weighed(TrainSettings()).mean().backward()
    moved = {
        name.split(".")[2]
        for name, p in model.named_parameters()
        if p.grad is not None and p.grad.any() and name.startswith("double_blocks")
    }
    assert moved == {"audio", "text_a"}
    shares = [
        latents.batch(n, TrainSettings(batch=1, audio_alone=0.5), encoders, torch.float32).x.video
        is None
        for n in range(60)
    ]
    assert 15 < sum(shares) < 45


def test_the_weight_falls_on_the_face_of_single_pictures_only(root, encoders):
    latents = LatentSet(read_encoded(root), CONFIG)
    (info, *_), raw = latents.buckets[0].clips, AVLatents(video=torch.randn(16, 2, 3, 3))
    latents.buckets.clear()
    mouth = torch.zeros(2, 3, 3, dtype=torch.uint8)
    mouth[0, 2, 1] = 1
    latents.add(info, replace(raw, audio=torch.randn(20, 10)), mouth)
    settings = TrainSettings(batch=2, pictures_area="face")
    (joint, still, narrow) = (
        latents.batch(0, chosen, encoders, torch.float32).mouth[0, 0]
        for chosen in (settings, replace(settings, stills=1.0), TrainSettings(batch=2, stills=1.0))
    )
    assert torch.equal(joint, mouth.float())
    assert still[0].nonzero().tolist() == [[1, 1], [2, 1]]
    assert torch.equal(narrow, mouth[:1].float())


@pytest.mark.parametrize("kind", ["stills", "audio_alone"])
def test_steps_of_one_stream_take_more_samples_with_less_noise(latents, encoders, kind):
    settings = TrainSettings(batch=2, alone_times=3, **{kind: 1.0})
    whole = latents.batch(1, settings, encoders, torch.float32)
    (stream,) = [x for x in (whole.x.video, whole.x.audio) if x is not None]
    assert len(stream) == len(whole.conditioning.text[0]) == len(whole.mouth) == 6
    halves = [
        latents.batch(1, settings, encoders, torch.float32, share=slice(n, n + 1)) for n in (0, 1)
    ]
    parts = [x for half in halves for x in (half.x.video, half.x.audio) if x is not None]
    assert torch.equal(stream, torch.cat(parts))
    less = latents.batch(1, replace(settings, alone_shift=1.0), encoders, torch.float32)
    sigma, lower = (b.sigma_audio + b.sigma_video for b in (whole, less))
    torch.testing.assert_close(shift_sigma(lower, settings.shift), sigma)
    assert torch.equal(
        latents.batch(1, TrainSettings(batch=2), encoders, torch.float32).t_video,
        latents.batch(1, TrainSettings(batch=2, alone_shift=1.0), encoders, torch.float32).t_video,
    )


@pytest.mark.parametrize("kind", ["stills", "audio_alone", "clips"])
def test_text_of_one_stream_alone_goes_without_unused_tokens(kind, latents, encoders):
    shares = {} if kind == "clips" else {kind: 1.0}
    settings = TrainSettings(batch=4, drop_prompt=0.0, drop_part=0.0, **shares)
    batch = latents.batch(0, settings, encoders, torch.float32)
    (text,) = batch.conditioning.text
    whole = latents.batch(0, replace(settings, stills=0, audio_alone=0), encoders, torch.float32)
    if kind == "clips":
        assert text.shape[1] == CONFIG.text[0].max_tokens
        return
    used = int(text.any(dim=2).any(dim=0).sum())
    assert used <= text.shape[1] < used + 8
    if kind == "audio_alone":  # where nothing of the prompt is left out
        (all_of_it,) = whole.conditioning.text
        assert torch.equal(text, all_of_it[:, : text.shape[1]])
        assert not all_of_it[:, text.shape[1] :].any()
    torch.manual_seed(0)
    model = JoVA(CONFIG)
    terms = losses(model, batch, settings, call_block)
    assert (terms.video if kind == "stills" else terms.audio).isfinite().all()


def test_text_of_empty_prompts_keeps_a_token(latents, encoders):
    settings = TrainSettings(batch=4, drop_prompt=1.0, stills=1.0)
    (text,) = latents.batch(0, settings, encoders, torch.float32).conditioning.text
    assert text.shape[1] == 8
    assert not text.any()


def test_a_step_on_some_places_counts_those_alone(root, encoders):
    config = replace(CONFIG, patch=(1, 1, 1))
    latents = LatentSet(read_encoded(root), config)
    settings = TrainSettings(batch=4, places=0.5)
    batch = latents.batch(0, settings, encoders, torch.float32)
    assert (len(batch.places.kept), batch.places.of) == (4, 9)
    counted = batch.made_video.amax(dim=(0, 1, 2)).bool()
    assert torch.equal(counted, cells_of(batch.places, config.patch, (3, 3)).bool())
    torch.manual_seed(0)
    model = JoVA(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    alike = losses(model, batch, settings, call_block)
    noisy = batch.x.video + (~counted).float()
    other = losses(model, replace(batch, x=replace(batch.x, video=noisy)), settings, call_block)
    torch.testing.assert_close(other.video, alike.video)
    assert (alike.video > 0).any()
    for kind in ({"stills": 1.0}, {"audio_alone": 1.0}):
        alone = latents.batch(0, replace(settings, **kind), encoders, torch.float32)
        assert alone.places is None
