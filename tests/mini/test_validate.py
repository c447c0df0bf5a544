"""Prompts rendered and scored while a run trains, which changes nothing in the run."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from jova_core.decoding import generate
from jova_core.media import probe
from jova_core.mini import MINI_CODECS
from jova_core.mini.codecs.checkpoint import load_codecs
from jova_core.mini.evaluation.cases import Case
from jova_core.mini.validate import Validation
from jova_core.model.checkpoint import load_jova
from jova_core.model.lora import LoRAConfig, load_lora, merge_lora
from jova_core.mouth.landmarks import MODEL_VARIABLE
from jova_core.pipeline import JoVAPipeline, SampleSettings
from jova_core.prompt import Prompt
from jova_core.training.ema_pipeline import pipeline_of
from jova_core.training.loop import train

SHARED = Path(os.environ.get("JOVA_SHARED", Path(__file__).parents[3] / "shared"))
MODEL = Path(os.environ.get(MODEL_VARIABLE, SHARED / "data/face_landmarker.task"))
CASE = Case(prompt=Prompt(video_caption="red", transcript="cat"), frames=9)


@pytest.fixture(scope="module")
def data(tiny, tmp_path_factory):
    return tiny.make_data(tmp_path_factory.mktemp("data") / "set")


@pytest.mark.skipif(not MODEL.is_file(), reason="no face_landmarker.task")
def test_clips_and_scores_appear_and_the_run_stays_the_same(tiny, data, tmp_path):
    config, settings, encoders = tiny.CONFIG, tiny.SETTINGS, tiny.ENCODERS
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    train(data, plain, config, settings, encoders)
    validation = Validation(
        out=watched,
        cases=(CASE, CASE),
        every=4,
        codecs=load_codecs(MINI_CODECS),
        encoders=encoders,
        face_model=MODEL,
        settings=SampleSettings(steps=2),
    )
    train(data, watched, config, settings, encoders, callbacks=[validation])
    first, second = (load_file(folder / "jova.safetensors") for folder in (plain, watched))
    assert all(torch.equal(first[name], second[name]) for name in first)
    lines = [json.loads(line) for line in (watched / "validation.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 6]
    assert set(lines[0]) == {"step", "samples", "sync", "faces", "silent"}
    clips = sorted(path.name for path in (watched / "validation").iterdir())
    assert clips == ["12-0.mp4", "12-1.mp4", "8-0.mp4", "8-1.mp4"]
    info = probe(watched / "validation" / clips[0])
    assert info.video.frames == 9
    assert info.audio is not None


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_ema_network_makes_what_the_checkpoint_makes(tiny, data, tmp_path, dtype):
    """Of a LoRA too: what is shown while training is what the file will make."""
    config, encoders, codecs = tiny.CONFIG, tiny.ENCODERS, load_codecs(MINI_CODECS)
    base = train(data, tmp_path / "base", config, tiny.SETTINGS, encoders)
    seen = []

    def look(progress):
        if progress.step == progress.steps:
            with pipeline_of(progress, codecs, encoders) as pipeline:
                clip = generate(pipeline, CASE.prompt, CASE.frames, SampleSettings(steps=2))
            seen.append(clip)
        return False

    settings = replace(tiny.SETTINGS, dtype=dtype, learning_rate=0.05)
    out = tmp_path / "lora"
    lora = LoRAConfig()
    train(data, out, config, settings, encoders, lora=lora, init_from=base, callbacks=[look])
    model = load_jova(base).model()
    plain = JoVAPipeline(model=model, codecs=codecs, encoders=encoders)
    how = SampleSettings(steps=2)
    without = generate(plain, CASE.prompt, CASE.frames, how)
    merge_lora(model, load_lora(out / "lora.safetensors"))
    expected = generate(plain, CASE.prompt, CASE.frames, how)
    made = seen[0].latents.audio
    off = float((made - expected.latents.audio).norm() / expected.latents.audio.norm())
    moved = float((without.latents.audio - expected.latents.audio).norm())
    assert off < 0.02
    assert moved > 10 * off * float(expected.latents.audio.norm())
