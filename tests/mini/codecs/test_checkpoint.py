import json

import pytest
import torch
from safetensors.torch import save_file

from jova_core.codecs import LatentStats
from jova_core.errors import JoVAError
from jova_core.mini.codecs import (
    AudioCodecConfig,
    MiniAudioCodec,
    MiniVideoCodec,
    VideoCodecConfig,
    load_codecs,
    save_codecs,
)
from jova_core.mini.codecs.checkpoint import codec_state


def small_codecs():
    torch.manual_seed(0)
    video = MiniVideoCodec(VideoCodecConfig(width=16, fine_width=16))
    audio = MiniAudioCodec(AudioCodecConfig(encoder_width=16, decoder_width=16))
    stats = LatentStats(
        video_mean=torch.arange(16.0) / 8,
        video_std=torch.ones(16),
        audio_mean=torch.zeros(20),
        audio_std=torch.full((20,), 0.5),
    )
    return video, audio, stats


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "codecs.safetensors"
    save_codecs(path, *small_codecs())
    return path


def test_round_trip_in_bf16(saved):
    video, audio, stats = small_codecs()
    loaded = load_codecs(saved)
    assert not loaded.video.training
    assert not any(p.requires_grad for p in loaded.audio.parameters())
    for before, after in ((video, loaded.video), (audio, loaded.audio)):
        for name, value in after.state_dict().items():
            assert value.dtype == torch.float32
            assert torch.equal(value, before.state_dict()[name].bfloat16().float())
    assert torch.equal(loaded.stats.video_mean, stats.video_mean)
    assert loaded.stats.audio_std.tolist() == [0.5] * 20
    assert list(saved.parent.iterdir()) == [saved]


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1000])


def text(path):
    path.write_text("a text file, not weights")


def empty(path):
    path.write_bytes(b"")


def missing(path):
    path.unlink()


def foreign(path):
    save_file({"weight": torch.zeros(3)}, path)


def other_format(path):
    save_file({"weight": torch.zeros(3)}, path, metadata={"jova": json.dumps({"format": "x"})})


def headed(path, **changes):
    """Write the saved tensors under a changed header."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["jova"])
    save_file(load_file(path), path, metadata={"jova": json.dumps(about | changes)})


def wrong_width(path):
    headed(path, video={"width": 32})


def unknown_argument(path):
    headed(path, audio={"colour": "red"})


def no_stats(path):
    headed(path, stats={})


@pytest.mark.parametrize(
    "spoil",
    [
        truncated,
        text,
        empty,
        missing,
        foreign,
        other_format,
        wrong_width,
        unknown_argument,
        no_stats,
    ],
)
def test_bad_file_gives_one_sentence(saved, spoil):
    spoil(saved)
    with pytest.raises(JoVAError) as told:
        load_codecs(saved)
    assert str(saved) in str(told.value)
    assert "\n" not in str(told.value)


def test_unwritable_folder_gives_one_sentence(tmp_path):
    with pytest.raises(JoVAError, match="does not exist"):
        save_codecs(tmp_path / "nowhere" / "c.safetensors", *small_codecs())


@pytest.mark.parametrize("prefix", ["", "first_stage_model."])
def test_codecs_survive_programs_that_drop_metadata(saved, tmp_path, prefix):
    path = tmp_path / "again.safetensors"
    state = codec_state(load_codecs(saved))
    save_file({prefix + name: value for name, value in state.items()}, path)
    again, first = load_codecs(path), load_codecs(saved)
    assert again.stats.to_json() == first.stats.to_json()
    pairs = zip(again.video.state_dict().values(), first.video.state_dict().values(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
