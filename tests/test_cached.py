"""Saved conditioning: what is read is what was saved, and a clip of it needs no encoder."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from safetensors.torch import load_file

from jova_core.__main__ import main
from jova_core.config import TextEncoderSpec
from jova_core.latents import Conditioning, denormalise
from jova_core.model.checkpoint import load_jova, save_jova
from jova_core.model.jova import JoVA
from jova_core.presets import PRESETS
from jova_core.saved import SavedConditioning, load_conditioning, save_conditioning

TEXT = (
    TextEncoderSpec(name="t5-xxl", width=24, max_tokens=8),
    TextEncoderSpec(name="qwen2.5", width=16, max_tokens=6, pad="cut"),
)
CONFIG = replace(
    PRESETS["jova_3b2"],
    dim=64,
    heads=1,
    dual_blocks=1,
    single_blocks=1,
    rope_axes=(16, 24, 24),
    pooled_width=10,
    pooled_encoder="clip-l",
    guidance_embed=True,
    text=TEXT,
)


def told(seed, tokens=5, **changes):
    generator = torch.Generator().manual_seed(seed)
    fields = {
        "names": ("t5-xxl", "qwen2.5"),
        "text": (
            torch.randn(1, 8, 24, generator=generator),
            torch.randn(1, tokens, 16, generator=generator).bfloat16(),
        ),
        "pooled": torch.randn(1, 10, generator=generator),
        "guidance": 4.5,
        "prompt": "hello",
    }
    return SavedConditioning(**{**fields, **changes})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cached")
    torch.manual_seed(0)
    save_jova(folder / "jova.safetensors", JoVA(CONFIG).state_dict(), CONFIG, {"licence": "MIT"})
    save_conditioning(folder / "told.safetensors", told(0))
    save_conditioning(folder / "empty.safetensors", told(1, tokens=2))
    return folder


def run(files, *more, told="told"):
    command = ["generate", "--checkpoint", files / "jova.safetensors", "--steps", "2"]
    command += ["--conditioning", files / f"{told}.safetensors", "--seconds", "0.5"]
    command += ["--size", "64x48", "-o", files / "clip.latent", *more]
    return main([str(part) for part in command])


def test_what_is_read_is_what_was_saved(files):
    found, saved = load_conditioning(files / "told.safetensors"), told(0)
    assert (found.names, found.guidance, found.prompt) == (saved.names, 4.5, "hello")
    assert all(torch.equal(a, b) for a, b in zip(found.text, saved.text, strict=True))
    assert torch.equal(found.pooled, saved.pooled)
    assert found.digest() == saved.digest() != told(1).digest() != told(1, guidance=3.0).digest()


def test_a_clip_of_saved_text_becomes_latent_files(files, capsys):
    assert run(files, "--negative", files / "empty.safetensors") == 0
    said = capsys.readouterr()
    assert "Licence of the weights: MIT." in said.err
    assert said.out.split() == [str(files / f"clip.{n}.latent") for n in ("video", "audio")]
    video = load_file(files / "clip.video.latent")["latent_tensor"]
    audio = load_file(files / "clip.audio.latent")["latent_tensor"]
    assert (video.shape, audio.shape) == ((1, 16, 3, 6, 8), (1, 20, 18))
    assert "latent_format_version_0" in load_file(files / "clip.video.latent")


def test_without_guidance_it_is_the_network_s_own_flow(files):
    """Two Euler steps by hand, and the latents in the codec's own values."""
    from jova_core.flow.schedule import simple_sigmas
    from jova_core.latents import draw_noise, latent_shapes

    assert run(files, "--cfg-video", "1", "--cfg-audio", "1") == 0
    model, saved = load_jova(files / "jova.safetensors").model(), told(0)
    given = Conditioning(
        text=tuple(part.float() for part in saved.text),
        pooled=saved.pooled,
        guidance=torch.tensor([4.5]),
    )
    x = draw_noise(*latent_shapes(CONFIG, 9, height=48, width=64), 0)
    sigmas = simple_sigmas(2, CONFIG.shift)
    with torch.inference_mode():
        for now, then in pairwise(sigmas):
            time = torch.tensor([1000 * now])
            x = x.add_scaled(model(x, time, time, given), then - now)
    expected = denormalise(CONFIG, x).video
    found = load_file(files / "clip.video.latent")["latent_tensor"]
    assert torch.allclose(found, expected, atol=1e-4)


def _saved_as(files, name, saved):
    save_conditioning(files / f"{name}.safetensors", saved)
    return name


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"names": ("t5-xxl", "umt5")}, "it reads t5-xxl, qwen2.5 and a pooled vector"),
        ({"pooled": None}, "it reads t5-xxl, qwen2.5 and a pooled vector"),
        ({"text": (torch.zeros(1, 8, 24), torch.zeros(1, 7, 16))}, "does not read"),
    ],
)
def test_text_of_another_model_is_refused(files, capsys, changes, sentence):
    name = _saved_as(files, "other", told(0, **changes))
    assert run(files, "--negative", files / "empty.safetensors", told=name) == 2
    assert sentence in capsys.readouterr().err


def test_changed_content_is_refused(files, capsys):
    content = bytearray((files / "told.safetensors").read_bytes())
    content[-2] ^= 1
    (files / "changed.safetensors").write_bytes(content)
    assert run(files, "--negative", files / "empty.safetensors", told="changed") == 2
    assert "its hash differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ([], "give its conditioning as --negative"),
        (["--transcript", "hello"], "Got --conditioning and transcript"),
        (["--size", "64"], "Got the size '64'"),
        (["-o", "clip.mp4"], "ends in .latent"),
    ],
)
def test_wrong_options_get_a_sentence(files, capsys, more, sentence):
    assert run(files, *more) == 2
    assert sentence in capsys.readouterr().err


def test_the_plan_of_a_checkpoint(files, capsys):
    assert main(["plan", str(files / "jova.safetensors"), "--size", "64x48", "--seconds", "1"]) == 0
    out = capsys.readouterr().out
    assert "17 frames at 16 a second, bf16" in out
    assert "60 video, 34 audio, 28 text" in out
