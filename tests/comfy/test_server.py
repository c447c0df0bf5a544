"""The pack in a running ComfyUI, over HTTP: it loads, runs every workflow, and explains itself."""

import json
import os
import re
import shutil
import time
from fractions import Fraction
from pathlib import Path

import pytest

from jova_core.media import probe, read_audio, recipe_names

ROOT = Path(__file__).parents[2]
TWINS = sorted((ROOT / "tests" / "workflows").glob("*.api.json"))
SCHEMA = json.loads((ROOT / "tests" / "nodes" / "schema.json").read_text(encoding="utf-8"))
BUNDLED = "jova-mini (bundled)"
IMPORT_SECONDS = 0.3


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def basics():
    """Loaders and an empty latent of one second, by short names."""
    return {
        "model": node(
            "JoVALoadModel", checkpoint=BUNDLED, weight_dtype="default", preset="from the file"
        ),
        "codecs": node("JoVALoadCodecs", codecs=BUNDLED),
        "clip": node("JoVALoadTextEncoder", encoder_1=BUNDLED, encoder_2="none"),
        "media": node("JoVASampleMedia", character="brown-hair"),
        "empty": empty(17),
    }


def empty(frames):
    sizes = {"width": 0, "height": 0, "batch_size": 1}
    return node("JoVAEmptyLatent", model=["model", 0], frames=frames, **sizes)


def decode(latent, video_vae=("codecs", 0), audio_vae=("codecs", 1)):
    return node(
        "JoVADecode",
        model=["model", 0],
        latent=latent,
        video_vae=list(video_vae),
        audio_vae=list(audio_vae),
    )


def save(images, audio=None, **changes):
    settings = {"fps": 16.0, "filename_prefix": "t", "recipe": "mp4", "scale": 0, **changes}
    sound = {} if audio is None else {"audio": audio}
    return node("JoVASaveVideo", images=images, **sound, **settings)


def task(given, **inputs):
    return node("JoVATask", model=["model", 0], latent=["empty", 0], given=given, **inputs)


def test_the_pack_loads_quickly_and_whole(server):
    log = server.log.read_text(encoding="utf-8", errors="replace")
    assert "IMPORT FAILED" not in log
    seconds = re.search(r"([\d.]+) seconds: \S*ComfyUI-JoVA", log)
    assert float(seconds[1]) <= IMPORT_SECONDS
    info = server.get("/object_info")
    assert {name for name in info if name.startswith("JoVA")} == set(SCHEMA)
    for name, told in SCHEMA.items():
        assert info[name]["output_name"] == [output[0] for output in told["outputs"]]
        assert info[name]["output"] == [output[1] for output in told["outputs"]]
        inputs = {k: v for part in info[name]["input"].values() for k, v in part.items()}
        assert set(told["inputs"]) <= set(inputs)


def test_templates_thumbnails_pages_and_scripts_are_served(server):
    stems = server.get("/api/workflow_templates")["ComfyUI-JoVA"]
    assert sorted(stems) == sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
    assert len(stems) >= 5
    for stem in stems:
        assert server.get(f"/api/workflow_templates/ComfyUI-JoVA/{stem}.jpg")[:2] == b"\xff\xd8"
    for name in SCHEMA:
        assert server.get(f"/extensions/ComfyUI-JoVA/docs/{name}.md").startswith(b"# ")
        assert server.get(f"/extensions/ComfyUI-JoVA/docs/{name}.png")[1:4] == b"PNG"
    assert b"registerExtension" in server.get("/extensions/ComfyUI-JoVA/length_planner.js")


def test_the_page_may_ask_for_rates(server):
    rates = server.get("/jova/rates?checkpoint=jova-mini%20(bundled)")
    assert rates["fps"] == "16"
    assert rates["audio_rate"] == "125/4"


@pytest.mark.parametrize("path", TWINS, ids=[path.name.split(".")[0] for path in TWINS])
def test_a_workflow_runs_to_its_file(server, path):
    entry = server.run(json.loads(path.read_text(encoding="utf-8")))
    (found,) = [place for kind, place in server.files(entry) if kind == "output"]
    info = probe(found)
    assert (info.video.frames, info.video.width, info.video.height) == (33, 384, 384)
    assert abs(info.video.seconds - Fraction(33, 16)) < Fraction(1, 500)
    assert abs(info.audio.seconds - info.video.seconds) < Fraction(1, 16)
    assert float(read_audio(found, 16_000).square().mean().sqrt()) > 0.005


def test_each_recipe_writes_and_shows_a_playable_file(server):
    for recipe in recipe_names():
        media = basics()["media"]
        graph = {"media": media, "save": save(["media", 1], ["media", 2], recipe=recipe)}
        entry = server.run(graph)
        ((_, shown),) = server.files(entry)
        assert shown.suffix in (".mp4", ".webm", ".gif")
        assert probe(shown).video.codec in ("h264", "vp9", "gif")
        written = entry["outputs"]["save"]["text"][0].splitlines()[0]
        assert probe(server.folder / "output" / written).video.frames == 33


def test_odd_pictures_work(server):
    """One frame, one with an alpha channel, and odd sizes, into saving and as reference."""
    graph = basics() | {
        "empty_picture": node("EmptyImage", width=97, height=95, batch_size=1, color=255),
        "mask": node("SolidMask", value=0.5, width=97, height=95),
        "alpha": node("JoinImageWithAlpha", image=["empty_picture", 0], alpha=["mask", 0]),
        "told": node(
            "JoVAPrompt", clip=["clip", 0], video_caption="", audio_caption="", transcript=""
        ),
        "reference": node(
            "JoVAReferenceImage",
            positive=["told", 0],
            negative=["told", 1],
            latent=["empty", 0],
            video_vae=["codecs", 0],
            image=["alpha", 0],
        ),
        "decoded": decode(["reference", 2]),
        "one": save(["alpha", 0], filename_prefix="one"),
        "clip_file": save(["decoded", 0], ["decoded", 1], filename_prefix="clip"),
    }
    files = server.files(server.run(graph))
    assert sorted(probe(path).video.frames for _, path in files) == [1, 17]


def test_interrupted_in_mid_sampling_it_runs_again(server):
    graph = json.loads((ROOT / "tests/workflows/text_to_talking_video.api.json").read_text())
    (sampler,) = [n for n in graph.values() if n["class_type"] == "JoVASampler"]
    sampler["inputs"] |= {"seed": 123, "steps": 400}
    running = server.start(graph)
    time.sleep(4)
    server.post("/interrupt", {})
    entry = server.wait(running)
    assert "execution_interrupted" in [message[0] for message in entry["status"]["messages"]]
    sampler["inputs"]["steps"] = 3
    assert server.files(server.run(graph))


def _joined():
    return {
        **basics(),
        "short": empty(9),
        "a": node("LTXVSeparateAVLatent", av_latent=["empty", 0]),
        "b": node("LTXVSeparateAVLatent", av_latent=["short", 0]),
        "joined": node("LTXVConcatAVLatent", video_latent=["a", 0], audio_latent=["b", 1]),
        "decoded": decode(["joined", 0]),
        "save": save(["decoded", 0]),
    }


def _loaded(name):
    loader = node("JoVALoadModel", checkpoint=name, weight_dtype="default", preset="from the file")
    return {**basics(), "model": loader, "d": decode(["empty", 0]), "save": save(["d", 0])}


def _tasked(*arguments, **inputs):
    graph = basics() | {"task": task(*arguments, **inputs), "d": decode(["task", 0])}
    return graph | {"save": save(["d", 0])}


def test_the_sync_report_finds_its_face_model_in_the_models_folder(server):
    shared = Path(os.environ.get("JOVA_SHARED", ROOT.parent / "shared"))
    source = shared / "data" / "face_landmarker.task"
    if not source.is_file():
        pytest.skip("the face model is not beside the repository")
    graph, _ = WRONG["no face model"]
    target = server.folder / "models" / "mediapipe" / source.name
    target.parent.mkdir()
    try:
        shutil.copy(source, target)
        entry = server.run(graph() | {"again": node("PreviewAny", source=["report", 0])})
    finally:
        shutil.rmtree(target.parent)
    assert "in sync" in entry["outputs"]["report"]["text"][0]
    assert server.files(entry)[0][1].suffix == ".png"


SILENT = {"silent": node("EmptyAudio", duration=0.0, sample_rate=16_000, channels=1)}
WRONG = {
    "a junk model": (lambda: _loaded("junk.safetensors"), "cannot be read"),
    "a pickle": (lambda: _loaded("old.ckpt"), "no safetensors file"),
    "codecs swapped": (
        lambda: {
            **basics(),
            "d": decode(["empty", 0], video_vae=("codecs", 1)),
            "save": save(["d", 0]),
        },
        "does not belong to this model",
    ),
    "streams of two lengths": (_joined, "needs 34 audio latents; 18 came"),
    "an illegal length": (
        lambda: basics() | {"empty": empty(34), "d": decode(["empty", 0]), "save": save(["d", 0])},
        "4·n \\+ 1|34",
    ),
    "nothing connected": (lambda: _tasked("audio"), "audio and audio_vae is not connected"),
    "a sound without samples": (
        lambda: SILENT | _tasked("audio", audio=["silent", 0], audio_vae=["codecs", 1]),
        "holds no samples",
    ),
    "no sound at all": (
        lambda: {
            **basics(),
            "pictures": node(
                "JoVADecode", model=["model", 0], latent=["empty", 0], video_vae=["codecs", 0]
            ),
            "report": node(
                "JoVASyncReport", images=["pictures", 0], audio=["pictures", 1], fps=16.0
            ),
        },
        "There is no sound",
    ),
    "no face model": (
        lambda: {
            "media": basics()["media"],
            "report": node("JoVASyncReport", images=["media", 1], audio=["media", 2], fps=16.0),
        },
        "face_landmarker.task",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_a_sentence(server, case):
    graph, sentence = WRONG[case]
    told = server.fail(graph())
    assert re.search(sentence, told), told
    assert "Traceback" not in told
