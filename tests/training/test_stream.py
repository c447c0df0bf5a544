"""Training while clips are made: by workers, from a source without an end."""

import json
from dataclasses import dataclass, replace
from itertools import count

import pytest
import torch

from jova_core.codecs import Codecs, LatentStats
from jova_core.errors import JoVAError
from jova_core.mini.codecs import AudioCodecConfig, MiniAudioCodec, MiniVideoCodec, VideoCodecConfig
from jova_core.mini.data.vocabulary import published_vocabulary
from jova_core.mini.text.encoder import MiniTextEncoder
from jova_core.prompt import Prompt
from jova_core.training.loop import train
from jova_core.training.settings import Tasks, TrainSettings
from jova_core.training.source import RejectedError, SourceClip
from jova_core.training.stream import ClipStream, StreamRules

from .test_training import CONFIG as TINY

CONFIG = replace(TINY, video=replace(TINY.video, width=24, height=24))
ENCODERS = (MiniTextEncoder.of(CONFIG, published_vocabulary()),)
SETTINGS = TrainSettings(
    batch=2, steps=8, warmup=1, compile=False, dtype="fp32", checkpoint_every=8, log_every=1
)


@dataclass(frozen=True)
class Noise:
    """Random clips of five frames, single pictures and voices; some pictures are refused."""

    refuse: int = 3
    voices: bool = False

    def entries(self):
        return []

    def groups(self, first):
        for number in count(first):
            yield [2 * number, 2 * number + 1, *([-number - 1] if self.voices else [])]

    def key(self, entry):
        return f"{entry % 2**64:016x}"

    def name(self, entry):
        return str(entry)

    def needs_mouths(self):
        return False

    def read(self, entry, config):
        if entry >= 0 and (entry // 2) % self.refuse == 0 and entry % 2 == 0:
            raise RejectedError("it is the third")
        if self.refuse == 1:
            raise RejectedError("all are")
        frames = 5 if entry % 2 else 1
        size = config.video.height
        generator = torch.Generator().manual_seed(abs(entry))
        if entry < 0:
            return SourceClip(
                frames=torch.zeros(0, 0, 0, 3, dtype=torch.uint8),
                audio=0.1 * torch.randn(9000, generator=generator),
                prompt=Prompt(audio_caption="a deep voice speaks", transcript="hello"),
            )
        return SourceClip(
            frames=torch.randint(0, 255, (frames, size, size, 3), generator=generator).byte(),
            audio=0.1 * torch.randn(1000 * frames, generator=generator),
            prompt=Prompt(video_caption="a pale face", transcript="hello"),
            mouth=torch.zeros(1 + frames // 4, size // 8, size // 8, dtype=torch.bool),
        )


def load_tiny_codecs():
    """Both codecs a few channels wide."""
    torch.manual_seed(0)
    video = VideoCodecConfig(width=16, hidden=8, encoder_blocks=1, decoder_blocks=1)
    audio = AudioCodecConfig(
        encoder_width=8, encoder_blocks=1, decoder_width=8, decoder_blocks=1, mel_bands=20
    )
    stats = LatentStats(
        video_mean=torch.zeros(16),
        video_std=torch.ones(16),
        audio_mean=torch.zeros(20),
        audio_std=torch.ones(20),
    )
    return Codecs(
        video=MiniVideoCodec(video).eval(), audio=MiniAudioCodec(audio).eval(), stats=stats
    )


def test_a_stream_trains_joint_steps_pictures_and_the_voice(tmp_path):
    rules = StreamRules(workers=1, least=6, most=12)
    settings = replace(SETTINGS, stills=0.4, audio_alone=0.3)
    with ClipStream(Noise(), CONFIG, load_tiny_codecs, settings, ENCODERS, rules=rules) as stream:
        train(stream, tmp_path, CONFIG, settings, ENCODERS)
        assert stream.taken >= 6
        assert sum(len(bucket.clips) for bucket in stream.buckets) <= 12
        assert [bucket.clips[0].frames for bucket in stream.buckets] == [1, 5]
        train(stream, tmp_path, CONFIG, replace(settings, steps=10), ENCODERS, resume=True)
        stills = [
            stream.batch(n, replace(settings, stills=1.0, audio_alone=0.0), ENCODERS, torch.float32)
            for n in range(3)
        ]
    for batch in stills:
        assert batch.x.audio is None
        assert batch.x.video.shape[2] == 1
        assert (batch.t_video > 0).all()
        assert not batch.conditioning.image_mask.any()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 10
    assert any(line["audio"] == 0 and line["video"] > 0 for line in lines)
    assert any(line["video"] == 0 and line["audio"] > 0 for line in lines)


def test_voices_alone_and_mirror_images():
    rules = StreamRules(workers=1, least=9, mirrored=True)
    settings = replace(SETTINGS, audio_alone=1.0, alone_times=3)
    source = Noise(voices=True)
    with ClipStream(source, CONFIG, load_tiny_codecs, settings, ENCODERS, rules=rules) as stream:
        voices = stream.batch(0, settings, ENCODERS, torch.float32)
        joint = stream.batch(0, replace(settings, audio_alone=0.0), ENCODERS, torch.float32)
        again = stream.batch(0, replace(settings, audio_alone=0.0), ENCODERS, torch.float32)
    assert voices.x.video is None
    assert voices.x.audio.shape == (6, 20, 18)
    assert len(set(voices.sigma_audio.tolist())) == 6
    assert joint.x.video.shape[:3] == (2, 16, 2)
    assert torch.equal(joint.t_video, again.t_video)
    films = stream.buckets[-1]
    first, other = films.video[:2]
    assert films.clips[0].id == films.clips[1].id
    assert not torch.equal(first, other)
    assert torch.equal(films.audio[0], films.audio[1])
    for one, mirrored in zip(films.takes[0]["clips"], films.takes[1]["clips"], strict=True):
        assert torch.equal(one.given[0].flip(2), mirrored.given[0])
        assert torch.equal(one.text[0], mirrored.text[0])


@pytest.mark.parametrize(
    ("tasks", "given"),
    [({"audio_given": 1.0}, (False, True)), ({"video_given": 1.0}, (True, False))],
)
def test_what_a_take_gives_stays_at_time_zero(tasks, given):
    shares = {"independent": 0.0, "audio_given": 0.0, "video_given": 0.0, "image_given": 0.0}
    settings = replace(SETTINGS, tasks=Tasks(**{**shares, **tasks}))
    rules = StreamRules(workers=1, least=4)
    with ClipStream(Noise(), CONFIG, load_tiny_codecs, settings, ENCODERS, rules=rules) as stream:
        batch = stream.batch(0, settings, ENCODERS, torch.float32)
    assert (not batch.t_video.any(), not batch.t_audio.any()) == given
    assert (not batch.made_video.any(), not batch.made_audio.any()) == given


def test_a_source_that_makes_nothing_says_why():
    rules = StreamRules(workers=1, least=1)
    with (
        ClipStream(
            Noise(refuse=1), CONFIG, load_tiny_codecs, SETTINGS, ENCODERS, rules=rules
        ) as stream,
        pytest.raises(JoVAError, match=r"all are|the third"),
    ):
        stream.batch(0, SETTINGS, ENCODERS, torch.float32)


def test_wrong_numbers_and_codecs_are_refused():
    with pytest.raises(JoVAError, match="workers"):
        StreamRules(workers=0)
    other = replace(CONFIG, video=replace(CONFIG.video, mean=(1.0,) * 16))
    with pytest.raises(JoVAError, match="latent statistics"):
        ClipStream(Noise(), other, load_tiny_codecs, SETTINGS, ENCODERS)
    with pytest.raises(JoVAError, match="at most 1 together"):
        TrainSettings(stills=0.6, audio_alone=0.6)
