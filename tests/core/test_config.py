"""A config survives its JSON, has the promised size, and refuses every wrong field by name."""

import json
import re
from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from jova_core.config import AudioSpec, JoVAConfig, TextEncoderSpec, VideoSpec
from jova_core.errors import JoVAError
from jova_core.files import read_metadata
from jova_core.mini import MINI
from jova_core.model.jova import JoVA
from jova_core.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name):
    config = PRESETS[name]
    assert JoVAConfig.from_json(config.to_json()) == config
    assert hash(JoVAConfig.from_json(config.to_json())) == hash(config)


def test_json_keeps_fractions_exact():
    fps, rate = Fraction(24000, 1001), Fraction(44_100, 1024)
    config = replace(
        PRESETS["mini"],
        video=replace(PRESETS["mini"].video, fps=fps),
        audio=AudioSpec(sample_rate=44_100, latent_rate=rate, channels=40),
    )
    back = JoVAConfig.from_json(config.to_json())
    assert (back.video.fps, back.audio.latent_rate) == (fps, rate)
    assert json.loads(config.to_json())["video"]["fps"] == "24000/1001"


WRONG = {
    "heads": [0, -3, 5, 3.0, "3", None, True],
    "dim": [0, 191, 1e3, [192]],
    "dual_blocks": [-1, "two"],
    "single_blocks": [-1, 0.5],
    "single_form": ["serial", "", 1, ["parallel"]],
    "rope_time": ["aligned ", None],
    "learned_pos": ["factorized"],
    "mlp_ratio": [0],
    "patch": [[1, 3], [2, 3, 3], [1, 0, 3], 3, "133", [1, 3, "3"]],
    "audio_patch": [0],
    "mask_channels": [-1],
    "rope_axes": [[64], [32, 16, 15], [-2, 50, 16], [31, 17, 16]],
    "rope_theta": [0, "nan", float("nan"), float("inf")],
    "learned_pos_size": [[0, 1, 1]],
    "time_width": [255, 0],
    "qkv_bias": ["false", 0],
    "text_refiner_blocks": [-1, 0],
    "pooled_width": [-1],
    "shift": [0, -1, "3"],
    "max_seconds": [0, "nan", float("inf")],
    "head_silu": ["thrice", 1, None],
    "pooled_encoder": [None, 1],
    "video": [None, 3, [], {"fps": 0}, {"fps": "1/0"}, {"fps": 23.976}, {"fps": "-16"}],
    "audio": [{"latent_rate": "x"}, {"sample_rate": 0}, {"std": [0.0] * 20, "mean": [0.0] * 20}],
    "text": [[], None, 5, "abc", [{"name": "a"}], [{"name": "a", "width": 0, "max_tokens": 1}]],
    "surprise": [1],
}


@pytest.mark.parametrize(
    ("field", "value"), [(f, v) for f, values in WRONG.items() for v in values]
)
def test_a_wrong_field_is_one_sentence_that_names_it(field, value):
    data = json.loads(PRESETS["mini"].to_json())
    data[field] = value
    with pytest.raises(JoVAError) as error:
        JoVAConfig.from_json(json.dumps(data))
    sentence = str(error.value)
    inner = next(iter(value)) if isinstance(value, dict) and value else field
    assert inner in sentence.lower()
    assert "\n" not in sentence
    assert re.search(r"\.$", sentence)
    assert len(sentence) < 300


ENCODER = {"name": "a", "width": 4, "max_tokens": 3}
WRONG_ENCODER = {
    "hidden_layer": [0, 2, -1.5, None],
    "template": [None, 3],
    "dropped_prefix": [-1, "1"],
    "pad": ["masked", None],
    "fingerprint": ["abc", "shared.weight:12", 5],
}


@pytest.mark.parametrize(
    ("field", "value"), [(f, v) for f, values in WRONG_ENCODER.items() for v in values]
)
def test_a_wrong_field_of_an_encoder_is_named(field, value):
    data = json.loads(PRESETS["mini"].to_json())
    data["text"] = [ENCODER | {field: value}]
    with pytest.raises(JoVAError, match=field):
        JoVAConfig.from_json(json.dumps(data))


def test_the_config_of_an_older_checkpoint_reads_as_it_was_meant():
    """The bundled mini's metadata knows none of the later fields; each has its old meaning."""
    metadata = read_metadata(MINI, "checkpoint", "the bundled mini")
    stored = json.loads(metadata["config"])
    config = JoVAConfig.from_json(metadata["config"])
    now = json.loads(config.to_json())
    assert {name: now[name] for name in stored if name != "text"} == {
        name: value for name, value in stored.items() if name != "text"
    }
    assert stored["text"][0].items() <= now["text"][0].items()
    assert (config.head_silu, config.max_seconds) == ("twice", 20.0)
    encoder = config.text[0]
    assert (encoder.pad, encoder.hidden_layer, encoder.template) == ("kept", -1, "")
    assert [encoder.accepts(n) for n in (39, 40, 41)] == [False, True, False]


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "3", '"a"', "{}", "{", '{"dim": 1e999}', "[" * 100_000, "\x00"]
)
def test_other_text_is_no_config(text):
    with pytest.raises(JoVAError, match="invalid JoVA config"):
        JoVAConfig.from_json(text)


def test_statistics_are_one_for_each_channel():
    with pytest.raises(JoVAError, match="video mean has 3 values; expected 16"):
        VideoSpec(mean=(0.0,) * 3, std=(1.0,) * 3)
    with pytest.raises(JoVAError, match="together"):
        AudioSpec(std=(1.0,) * 20)
    with pytest.raises(JoVAError, match="above 0"):
        AudioSpec(mean=(0.0,) * 20, std=(0.0,) * 20)


def test_a_config_made_in_python_is_checked_too():
    with pytest.raises(JoVAError, match="single_form is 'flux'"):
        replace(PRESETS["mini"], single_form="flux")
    with pytest.raises(JoVAError, match="multiple of heads"):
        replace(PRESETS["mini"], heads=5)


def test_derived_sizes():
    config = PRESETS["mini"]
    assert (config.head_dim, config.text_tokens, config.video_in_channels) == (64, 40, 33)
    waver = PRESETS["jova_24b"]
    assert (waver.head_dim, waver.video_in_channels) == (128, 36)  # Waver: 16 + 16 + 4
    two = replace(config, text=(TextEncoderSpec(name="a", width=8, max_tokens=3),) * 2)
    assert two.text_tokens == 6


def _parameters(name):
    """Parameters of (video branch, audio branch, shared) without allocating any."""
    with torch.device("meta"):
        model = JoVA(PRESETS[name])
    video, audio, shared = 0, 0, 0
    for key, value in model.named_parameters():
        owner = re.match(
            r"(?:branches\.([va])|double_blocks\.\d+\.(?:(?:text_)?([va])\b|(audio|video))"
            r"|single_blocks\.\d+\.([va]))\.",
            key,
        )
        if owner is None:
            shared += value.numel()
        elif next(filter(None, owner.groups())).startswith("v"):
            video += value.numel()
        else:
            audio += value.numel()
    return video, audio, shared


@pytest.mark.parametrize(("name", "billions"), [("jova_3b2", 1.6), ("jova_24b", 12.0)])
def test_each_branch_has_the_papers_size(name, billions):
    video, audio, shared = _parameters(name)
    assert video / 1e9 == pytest.approx(billions, rel=0.05)
    assert audio / 1e9 == pytest.approx(billions, rel=0.05)
    assert shared < 0.001 * video


def test_the_minis_are_small():
    assert sum(_parameters("mini_ablation")) <= 4e6
    # With both codecs the mini must stay below 40 MB in bf16.
    assert sum(_parameters("mini")) * 2 <= 36e6
