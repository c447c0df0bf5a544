import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from jova_core.errors import JoVAError
from jova_core.media.pixels import to_frames, to_video
from jova_core.mini.codecs import MiniAudioCodec, MiniVideoCodec, load_codecs, loop, train
from jova_core.mini.codecs.clips import mouth_mask
from jova_core.mini.codecs.evaluate import evaluate_codecs
from jova_core.mini.codecs.loop import Run
from jova_core.mini.codecs.losses import video_loss
from jova_core.mini.codecs.pca_init import start_audio, start_video
from jova_core.mini.codecs.train import (
    train_audio_codec,
    train_video_codec,
    tune_decoders,
    write_codecs,
)


def moving_square(seed):
    """A clip of one second whose square and tone depend on the seed."""
    frames = torch.full((17, 96, 96, 3), 200, dtype=torch.uint8)
    for index in range(17):
        left = 20 + index + 5 * seed
        frames[index, 30:60, left : left + 24] = torch.tensor([60 * seed % 256, 90, 40])
    seconds = torch.arange(17000) / 16000
    loud = 0.5 + 0.5 * torch.sin(25 * seconds + seed)
    tones = sum(
        torch.sin(2 * math.pi * (150 + 20 * seed) * k * seconds + k) / k for k in range(1, 20)
    )
    return {
        "frames": frames,
        "audio": 0.1 * loud * tones,
        "lips": torch.zeros(17, 2),
        "mouth_box": torch.tensor([[40.0, 50.0, 60.0, 58.0]]).repeat(17, 1),
    }


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    (root / "clips").mkdir()
    clips = []
    for index in range(5):
        name = f"{index:06d}"
        save_file(moving_square(index), root / "clips" / f"{name}.safetensors")
        about = dict.fromkeys(("video_caption", "audio_caption", "transcript", "voice"), "")
        about |= {"id": name, "split": "train" if index < 4 else "heldout", "frames": 17}
        clips.append(about | {"attributes": {}, "words": []})
    index = {"format": "jova-clips-1", "seed": 0, "fps": 16, "sample_rate": 16000}
    index |= {"height": 96, "width": 96, "clips": clips}
    index["held_out"] = {"hair_background": [], "word_pairs": []}
    (root / "dataset.json").write_text(json.dumps(index))
    return root


def test_linear_start_already_codes_video(dataset):
    codec = MiniVideoCodec()
    video = torch.cat([to_video(moving_square(seed)["frames"]) for seed in range(4)])
    start_video(codec, video)
    with torch.no_grad():
        latent = codec.encode(video)
        error = (codec.decode(latent) - video).square().mean()
    assert 10 * math.log10(4 / error) > 20
    assert latent.std() < 3


def test_linear_start_already_has_the_spectral_envelope(dataset):
    codec = MiniAudioCodec()
    wave = torch.stack([moving_square(seed)["audio"][:16384] for seed in range(4)])
    start_audio(codec, wave)
    with torch.no_grad():
        made = codec.features(codec.decode(codec.encode(wave)))
    real = codec.features(wave)
    assert torch.corrcoef(torch.stack([made.flatten(), real.flatten()]))[0, 1] > 0.8


def test_silence_stays_silent_from_the_start(dataset):
    codec = MiniAudioCodec()
    start_audio(codec, torch.stack([moving_square(seed)["audio"][:16384] for seed in range(4)]))
    silence = codec.decode(codec.encode(torch.zeros(1, 8192)))
    assert silence.square().mean().sqrt() < 10 ** (-55 / 20)


def test_train_join_and_measure(dataset, tmp_path):
    train_video_codec(dataset, tmp_path / "v.safetensors", steps=2, batch=2, compiled=False)
    train_audio_codec(dataset, tmp_path / "a.safetensors", steps=2, batch=2, compiled=False)
    out = tmp_path / "codecs.safetensors"
    write_codecs(dataset, tmp_path / "v.safetensors", tmp_path / "a.safetensors", out, clips=4)
    assert load_codecs(out).stats.video_std.shape == (16,)
    figures = evaluate_codecs(dataset, out)
    assert figures["clips"] == 1
    assert figures["psnr"] > 15
    assert 0 < figures["stoi"] <= 1


def test_steps_can_be_repeated_exactly(dataset, tmp_path):
    for name in ("one", "two"):
        path = tmp_path / f"{name}.safetensors"
        train_audio_codec(dataset, path, steps=2, batch=2, seed=3, compiled=False)
    one, two = load_file(tmp_path / "one.safetensors"), load_file(tmp_path / "two.safetensors")
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("train", [train_video_codec, train_audio_codec])
def test_products_in_bf16_train_nearly_the_same_weights(dataset, tmp_path, train):
    """Their steps differ, for products are rounded, and the weights stay fp32."""
    made = {
        dtype: train(
            dataset, tmp_path / dtype, steps=3, batch=2, lr=1e-4, compiled=False, dtype=dtype
        )
        for dtype in ("fp32", "bf16")
    }
    pairs = list(zip(*(codec.parameters() for codec in made.values()), strict=True))
    assert all(rounded.dtype == torch.float32 for _, rounded in pairs)
    assert any(not torch.equal(*pair) for pair in pairs)
    for exact, rounded in pairs:
        assert (exact - rounded).abs().max() < 1e-3


def test_training_starts_from_given_weights(dataset, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    trained = train_audio_codec(dataset, first, steps=3, batch=2, compiled=False)
    again = train_audio_codec(
        dataset, second, steps=1, batch=2, lr=1e-9, init_from=first, compiled=False
    )
    for before, after in zip(trained.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(before, after, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("minutes", "steps"), [(None, None), (1.0, 5)])
def test_a_run_has_minutes_or_steps(tmp_path, minutes, steps):
    with pytest.raises(JoVAError, match="minutes or steps"):
        Run(out=tmp_path, minutes=minutes, steps=steps, batch=1, lr=1e-3)


def test_mouth_mask_covers_the_box():
    mask = mouth_mask(torch.tensor([[2.5, 1.0, 5.0, 3.0]]), 6, 8)
    assert mask[0].nonzero().amin(0).tolist() == [1, 2]
    assert mask[0].nonzero().amax(0).tolist() == [2, 4]


def test_frames_survive_the_change_of_range():
    frames = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).repeat(1, 1, 1, 3)
    assert torch.equal(to_frames(to_video(frames)), frames)


def test_tuning_the_decoder_leaves_the_latents_alone(dataset, tmp_path):
    parts = [tmp_path / "video.safetensors", tmp_path / "audio.safetensors"]
    train_video_codec(dataset, parts[0], steps=2, compiled=False)
    train_audio_codec(dataset, parts[1], steps=2, compiled=False)
    write_codecs(dataset, *parts, tmp_path / "before.safetensors")
    tuned = tmp_path / "after.safetensors"
    lengths = {"video": {"steps": 3}, "audio": {"steps": 3}}
    before = tmp_path / "before.safetensors"
    tune_decoders(dataset, before, tuned, **lengths, critic=True, compiled=False)
    before, after = load_codecs(before), load_codecs(tuned)
    video = to_video(moving_square(4)["frames"])
    with torch.no_grad():
        latent = before.video.encode(video)
        assert torch.equal(after.video.encode(video), latent)
        assert not torch.equal(after.video.decode(latent), before.video.decode(latent))
        wave = moving_square(4)["audio"][None, :16384]
        sound = before.audio.encode(wave)
        assert torch.equal(after.audio.encode(wave), sound)
        assert not torch.equal(after.audio.decode(sound), before.audio.decode(sound))
    assert after.stats.to_json() == before.stats.to_json()


def test_a_stopped_run_goes_on_as_if_it_had_not(dataset, tmp_path, monkeypatch):
    settings = {"steps": 6, "batch": 2, "crop": 16384, "critic": True, "compiled": False}
    monkeypatch.setattr(loop, "SAVE_EVERY", 2)
    train_audio_codec(dataset, tmp_path / "whole.safetensors", **settings)
    half = tmp_path / "half.safetensors"
    real, noise = loop._noise_like, []

    def stop(*args):
        noise.append(args)
        if len(noise) > 5:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(loop, "_noise_like", stop)
    with pytest.raises(KeyboardInterrupt):
        train_audio_codec(dataset, half, **settings)
    monkeypatch.setattr(loop, "_noise_like", real)
    assert half.with_suffix(".state.safetensors").exists()
    train_audio_codec(dataset, half, **settings, resume=True)
    assert not half.with_suffix(".state.safetensors").exists()
    whole, resumed = load_file(tmp_path / "whole.safetensors"), load_file(half)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    monkeypatch.setattr(train, "train_codec", None)  # a finished run is only loaded
    assert train_audio_codec(dataset, half, **settings, resume=True) is not None


def test_threads_draw_the_same_batches(dataset, tmp_path):
    settings = {"steps": 3, "batch": 2, "crop": 16384, "compiled": False}
    one = train_audio_codec(dataset, tmp_path / "one.safetensors", **settings)
    two = train_audio_codec(dataset, tmp_path / "two.safetensors", ahead=3, **settings)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name


def test_edges_weigh_seams_more_than_a_shift(dataset):
    codec = MiniVideoCodec().eval()
    video = torch.zeros(1, 3, 5, 32, 32)
    noise, weight = torch.zeros(1, 16, 2, 4, 4), torch.ones(1, 1, 5, 32, 32)
    with torch.no_grad():
        shift, seam = torch.full_like(video, 0.1), torch.zeros_like(video)
        seam[..., ::8] = 0.1 * 8**0.5
        losses = []
        for target in (shift, seam):
            codec.decode = lambda _, target=target: target
            plain, edged = (
                video_loss(codec, noise, video, weight, edge_weight=w)[0][0] for w in (0.0, 1.0)
            )
            losses.append(float(edged - plain))
    assert losses[0] == pytest.approx(0, abs=1e-6)
    assert losses[1] > 0.01
