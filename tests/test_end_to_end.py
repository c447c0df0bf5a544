"""The whole path on the command line: draw, encode, train, resume, generate, read again."""

import json
import shutil

import pytest
from safetensors.torch import load_file

from jova_core.__main__ import main
from jova_core.commands import evaluate
from jova_core.media import probe
from jova_core.mini import MINI, MINI_CODECS
from jova_core.mini.data.dataset import load_dataset
from jova_core.mini.evaluation.judges import train_judges

pytestmark = [
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed"),
    pytest.mark.skipif(not MINI_CODECS.exists(), reason="the bundled codecs are missing"),
]
TRAIN = ["--preset", "mini_ablation", "--batch", "2", "--no-compile", "--dtype", "fp32"]
TRAIN += ["--checkpoint-every", "2", "--steps", "5", "--threads", "1"]


def test_from_drawing_to_a_clip(tmp_path, landmarker, monkeypatch, capsys):
    monkeypatch.setenv("JOVA_FACE_LANDMARKER", str(landmarker))
    data, whole, parts = (str(tmp_path / name) for name in ("data", "whole", "parts"))
    make = ["data", "make-mini", data, "--clips", "3", "--held-out", "1", "--unseen", "1"]
    assert main([*make, "--workers", "1"]) == 0
    assert [clip.split for clip in load_dataset(data).clips] == [
        *["train"] * 3,
        "heldout",
        "unseen",
    ]
    assert main(["data", "encode", data, "--workers", "1"]) == 0

    assert main(["train", data, whole, *TRAIN]) == 0
    assert main(["train", data, parts, *TRAIN, "--minutes", "0.000001"]) == 0
    assert main(["train", data, parts, *TRAIN, "--resume"]) == 0
    states = [load_file(tmp_path / name / "state.safetensors") for name in ("whole", "parts")]
    assert all((states[0][name] == states[1][name]).all() for name in states[0])
    lines = (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    assert {"loss", "video", "audio", "mouth"} <= json.loads(lines[0]).keys()

    out = tmp_path / "clip.mp4"
    prompt = 'a pale face with red hair on a blue background says "hello"'
    checkpoint = str(tmp_path / "whole" / "jova.safetensors")
    options = ["--checkpoint", checkpoint, "--steps", "3", "--seconds", "1"]
    assert main(["generate", prompt, "-o", str(out), *options]) == 0
    info = probe(out)
    assert info.video.frames == 17
    assert abs(info.video.seconds - info.audio.seconds) < 1 / 16
    capsys.readouterr()


@pytest.mark.skipif(not MINI.exists(), reason="the bundled JoVA-mini is missing")
def test_evaluation_of_named_prompts(tmp_path, landmarker, monkeypatch, capsys):
    monkeypatch.setenv("JOVA_FACE_LANDMARKER", str(landmarker))
    few = {"recogniser": 2, "looks": 2, "voices": 2}
    monkeypatch.setattr(evaluate, "judges_for", lambda d, **_: train_judges(d, steps=few))
    data = str(tmp_path / "data")
    assert main(["data", "make-mini", data, "--clips", "8", "--held-out", "2"]) == 0
    prompts = [
        {
            "video_caption": "a pale face with red hair on a blue background",
            "audio_caption": "a deep voice speaks",
            "transcript": word,
            "frames": 33,
        }
        for word in ("hello", "cat")
    ]
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    figures = tmp_path / "figures.json"
    options = ["--prompts", str(tmp_path / "prompts.json"), "--json", str(figures), "--steps", "4"]
    assert main(["eval-mini", data, *options]) == 0
    found = json.loads(figures.read_text())
    wanted = ("words", "words_shuffled", "sync", "sync_shuffled", "offset_frames", "attributes")
    assert all(name in found for name in wanted)
    assert found["words_ceiling"] is None
    assert found["clips"] == 2
    assert "words" in capsys.readouterr().out
