"""Training in a running ComfyUI: clips are encoded, a LoRA is trained, cut off, goes on, used."""

import json
import re
import shutil
import time

import pytest

from jova_core.media import write_clip
from jova_core.mini.samples import load_sample, sample_names

BUNDLED = "jova-mini (bundled)"
SAMPLES = "sample clips (bundled)"


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def encoded(source=SAMPLES, name="clips", **rules):
    settings = {"codecs": BUNDLED, "min_seconds": 1.0, "max_seconds": 4.0, "min_face_share": 0.5}
    return {
        "model": node(
            "JoVALoadModel", checkpoint=BUNDLED, weight_dtype="default", preset="from the file"
        ),
        "set": node(
            "JoVAEncodeDataset", model=["model", 0], source=source, name=name, **settings | rules
        ),
        "report": node("PreviewAny", source=["set", 1]),
    }


def trained(name, steps, model=("model", 0), **changes):
    settings = {
        "name": name,
        "steps": steps,
        "batch": 2,
        "learning_rate": 2e-3,
        "rank": 4,
        "mouth_weight": 5.0,
        "preview_every": 0,
        "seed": 0,
        "preview_prompt": "",
        "video_strength": 1.0,
        "audio_strength": 1.0,
        "dtype": "default",
        "gradient_checkpointing": False,
    }
    return {
        "train": node("JoVATrainLoRA", model=list(model), dataset=["set", 0], **settings | changes),
        "steps": node("PreviewAny", source=["train", 2]),
    }


def test_sample_clips_become_a_lora_that_cores_nodes_take(server):
    graph = encoded() | trained("first", 6, preview_every=3)
    graph |= {
        "loaded": node(
            "LoraModelLoader",
            model=["model", 0],
            lora=["train", 0],
            strength_model=1.0,
            bypass=False,
        ),
        "saved": node("SaveLoRA", lora=["train", 0], prefix="loras/mine", steps=["train", 2]),
        "graph": node("LossGraphNode", loss=["train", 1], filename_prefix="loss"),
        "empty": node(
            "JoVAEmptyLatent", model=["model", 0], frames=17, width=0, height=0, batch_size=1
        ),
        "clip": node("JoVALoadTextEncoder", encoder_1=BUNDLED, encoder_2="none"),
        "text": node("CLIPTextEncode", clip=["clip", 0], text='a face says "hello"'),
        "latent": node(
            "JoVASampler",
            model=["loaded", 0],
            positive=["text", 0],
            negative=["text", 0],
            latent=["empty", 0],
            seed=0,
            steps=2,
            cfg_video=1.0,
            cfg_audio=1.0,
            sampler_name="euler",
            scheduler="simple",
            denoise=1.0,
            shift=0.0,
        ),
        "codecs": node("JoVALoadCodecs", codecs=BUNDLED),
        "decoded": node(
            "JoVADecode",
            model=["model", 0],
            latent=["latent", 0],
            video_vae=["codecs", 0],
            audio_vae=["codecs", 1],
        ),
        "seen": node("PreviewImage", images=["decoded", 0]),
    }
    entry = server.run(graph)
    assert entry["outputs"]["report"]["text"] == ["Encoded 3 of 3 clips."]
    assert entry["outputs"]["steps"]["text"] == ["6"]
    assert "lora key not loaded" not in server.said()
    kinds = {path.suffix for _, path in server.files(entry)}
    assert kinds == {".png"}, "the curve, core's graph and the frames"
    (saved,) = (server.folder / "output" / "loras").glob("mine_6_steps*.safetensors")
    run = server.folder / "output" / "jova_training" / "first"
    assert {"lora.safetensors", "state.safetensors", "log.jsonl", "curve.png"} <= {
        path.name for path in run.iterdir()
    }
    assert saved.stat().st_size > 100_000
    lines = (run / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_cancelled_training_keeps_what_was_learnt_and_goes_on(server):
    first = server.start(encoded() | trained("cut", 400))
    log = server.folder / "output" / "jova_training" / "cut" / "log.jsonl"
    end = time.monotonic() + 120
    while not log.exists() or log.read_text().count("\n") < 4:
        assert time.monotonic() < end, server.tail()
        time.sleep(0.2)
    server.post("/interrupt", {})
    entry = server.wait(first)
    assert "execution_interrupted" in server.messages(entry)
    done = log.read_text().count("\n")
    assert 4 <= done < 60
    state = log.with_name("state.safetensors").stat().st_mtime_ns
    entry = server.run(encoded() | trained("cut", done + 2))
    assert entry["outputs"]["steps"]["text"] == [str(done + 2)]
    assert log.read_text().count("\n") == done + 2
    assert log.with_name("state.safetensors").stat().st_mtime_ns > state


def test_a_folder_of_the_users_own_is_encoded_with_reasons(server, face_model):
    folder = server.folder / "input" / "people"
    folder.mkdir()
    for name in sample_names():
        sample = load_sample(name)
        path = folder / f"{name}.mp4"
        write_clip(
            path, sample.frames, sample.audio, fps=sample.fps, sample_rate=sample.sample_rate
        )
        path.with_suffix(".txt").write_text('a face says "hello"')
    (folder / "broken.mp4").write_bytes(b"no video")
    (folder / "broken.txt").write_text('a face says "no"')
    (folder / "brown-hair.txt").unlink()
    said = server.run(encoded("people", "own"))["outputs"]["report"]["text"][0]
    assert said.startswith("Encoded 2 of 4 clips.")
    assert re.search(r"broken.mp4: skipped, .*not a media file", said)
    assert "brown-hair.mp4: skipped, it has no caption" in said
    (folder / "brown-hair.txt").write_text('a face says "music"')
    again = server.run(encoded("people", "own"))["outputs"]["report"]["text"][0]
    assert again.startswith("Encoded 3 of 4 clips."), "the node looks at its folder again"
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: encoded("gone", "x"), "not in list"),
        (lambda: encoded(name="../out"), "expected one inside"),
        (lambda: encoded() | trained("../../x", 2), "expected one inside"),
        (lambda: encoded() | trained("first", 6, seed=5), "another name"),
        (
            lambda: (
                encoded()
                | trained("lora", 2, model=("styled", 0))
                | {
                    "styled": node(
                        "LoraLoaderModelOnly",
                        model=["model", 0],
                        lora_name="l.safetensors",
                        strength_model=1.0,
                    )
                }
            ),
            "connect Load JoVA Model directly",
        ),
    ],
    ids=["no such source", "name outside", "run outside", "other settings", "a LoRA before it"],
)
def test_wrong_training_gets_a_sentence(server, make, words):
    run = server.folder / "output" / "jova_training" / "first" / "lora.safetensors"
    if not run.exists():
        server.run(encoded() | trained("first", 6))
    loras = server.folder / "models" / "loras"
    loras.mkdir(exist_ok=True)
    shutil.copy(run, loras / "l.safetensors")
    answer = server.post("/prompt", {"prompt": make()})
    if "prompt_id" in answer:
        entry = server.wait(answer["prompt_id"])
        assert entry["status"]["status_str"] == "error"
        assert words in server.error(entry)
    else:
        assert words in json.dumps(answer)
