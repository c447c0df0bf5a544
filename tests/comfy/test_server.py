"""The pack in a running ComfyUI, over HTTP: it loads, runs every workflow, and explains itself."""

import json
import re
import urllib.error
import urllib.parse
from fractions import Fraction
from pathlib import Path

import pytest

from jova_core.media import probe, read_audio, recipe_names

from .. import bundled

ROOT = Path(__file__).parents[2]
FULL_SIZE = ROOT / "tests" / "workflows" / "full_size.api.json"
TWINS = sorted({*FULL_SIZE.parent.glob("*.api.json")} - {FULL_SIZE})
SCHEMA = json.loads((ROOT / "tests" / "nodes" / "schema.json").read_text(encoding="utf-8"))
BUNDLED = "jova-mini (bundled)"
LINE = bundled.timeline()
FPS = float(LINE.fps)
IMPORT_SHARE = 0.05
CANCELLED_STEPS, CANCEL_AT, LATE = 600, 40, 100
PLAYABLE = {(".mp4", "h264"), (".webm", "vp9"), (".gif", "gif")}


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
    settings = {"fps": FPS, "filename_prefix": "t", "recipe": "mp4", "scale": 0, **changes}
    optional = {} if audio is None else {"audio": audio}
    return node("JoVASaveVideo", images=images, **optional, **settings)


def frames_of(graph):
    """The frames that a workflow makes: of a length that is typed, or of a sample's film."""
    lengths = [n["inputs"] for n in graph.values() if n["class_type"] == "JoVALength"]
    typed = [given["seconds"] for given in lengths if not given.keys() & {"audio", "film"}]
    films = {len(bundled.sample(number).frames) for number in range(3)}
    (frames,) = [LINE.legal_frames(seconds) for seconds in typed] or films
    return frames


def _saved_media(recipe):
    media = basics()["media"]
    return {"media": media, "save": save(["media", 1], ["media", 2], recipe=recipe)}


def task(given, **inputs):
    return node("JoVATask", model=["model", 0], latent=["empty", 0], given=given, **inputs)


def test_the_pack_loads(server):
    assert "IMPORT FAILED" not in server.said()
    assert len(re.findall(r"seconds: \S*ComfyUI-JoVA", server.said())) == 1
    info = server.get("/object_info")
    assert {name for name in info if name.startswith("JoVA")} == set(SCHEMA)


def test_importing_the_pack_is_quick(run_checks):
    seconds = run_checks("import_time.py")
    if seconds["pack"] > IMPORT_SHARE * seconds["core"]:
        # The first import may have compiled; this one finds what it left.
        seconds = run_checks("import_time.py")
    assert seconds["pack"] <= IMPORT_SHARE * seconds["core"], seconds


@pytest.mark.parametrize("name", SCHEMA)
def test_the_server_shows_the_published_schema(server, name):
    published, shown = SCHEMA[name], server.get(f"/object_info/{name}")[name]
    assert (shown["display_name"], shown["category"]) == (published["title"], published["category"])
    assert [list(pair) for pair in zip(shown["output_name"], shown["output"], strict=True)] == (
        published["outputs"]
    )
    required, optional = (shown["input"].get(part, {}) for part in ("required", "optional"))
    inputs = required | optional
    assert list(inputs) == list(published["inputs"])
    for key, rule in published["inputs"].items():
        kind, settings = inputs[key]
        assert kind == rule["type"].upper(), key
        assert (key in optional) == rule.get("optional", False), key
        for setting in ("default", "min", "max", "step", "advanced"):
            assert settings.get(setting) == rule.get(setting), (key, setting)
        # The checkout may offer more files, samplers and schedulers than the stub.
        assert set(rule.get("options", [])) <= set(settings.get("options", [])), key


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
    assert rates["fps"] == str(LINE.fps)
    assert rates["audio_rate"] == "125/4"
    assert (rates["sample_rate"], rates["temporal_ratio"]) == (16_000, 4)


@pytest.mark.parametrize(
    ("checkpoint", "sentence"),
    [
        ("junk.safetensors", "safetensors file"),
        ("old.ckpt", "safetensors file"),
        ("missing.safetensors", "not found"),
        ("../../comfy.db", "not found"),
        ("", "not found"),
    ],
)
def test_rates_of_a_wrong_file_are_refused_with_a_sentence(server, checkpoint, sentence):
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.get(f"/jova/rates?checkpoint={checkpoint}")
    assert refused.value.code == 400
    message = json.loads(refused.value.read())["error"]
    assert sentence in message
    assert str(server.folder) not in message


@pytest.mark.parametrize("path", TWINS, ids=[path.name.split(".")[0] for path in TWINS])
def test_a_workflow_runs_to_its_file(server, path, request):
    if path.name.startswith("mouth_mask"):
        request.getfixturevalue("face_model")
    graph = json.loads(path.read_text(encoding="utf-8"))
    entry = server.run(graph)
    (clip,) = [place for kind, place in server.files(entry) if kind == "output"]
    info = probe(clip)
    frames = frames_of(graph)
    assert (info.video.frames, info.video.width, info.video.height) == (frames, 384, 384)
    assert info.video.fps == LINE.fps
    assert abs(info.video.seconds - LINE.seconds(frames)) < Fraction(1, 500)
    assert abs(info.audio.seconds - info.video.seconds) < 1 / LINE.fps
    assert float(read_audio(clip, 16_000).square().mean().sqrt()) > 0.005


def test_the_full_size_workflow_lacks_nothing_but_its_files(server):
    graph = json.loads(FULL_SIZE.read_text(encoding="utf-8"))
    errors = server.post("/prompt", {"prompt": graph})["node_errors"]
    wanted = {
        name: graph[number]["inputs"][name]
        for number in "123"
        for name in ("checkpoint", "encoder_1", "encoder_2", "codecs", "audio_codec")
        if name in graph[number]["inputs"]
    }
    said = [error for node in errors.values() for error in node["errors"]]
    assert {error["type"] for error in said} == {"value_not_in_list"}
    named = {
        error["extra_info"]["input_name"]: error["extra_info"]["received_value"] for error in said
    }
    assert named == wanted
    assert len(wanted) == 5


def test_the_same_prompt_again_comes_from_the_cache(server):
    graph = _saved_media("mp4")
    first = server.run(graph)
    written = sorted((server.folder / "output").iterdir())
    again = server.run(graph)
    assert set(server.messages(again)["execution_cached"]["nodes"]) == set(graph)
    assert again["outputs"] == first["outputs"]
    assert sorted((server.folder / "output").iterdir()) == written


@pytest.mark.parametrize("recipe", recipe_names())
def test_a_recipe_writes_and_shows_a_playable_file(server, recipe):
    entry = server.run(_saved_media(recipe))
    (shown,) = entry["outputs"]["save"]["images"]
    served = server.get(f"/view?{urllib.parse.urlencode(shown)}")
    ((kind, path),) = server.files(entry)
    assert served == path.read_bytes()
    playable = probe(path)
    assert (path.suffix, playable.video.codec) in PLAYABLE
    written = probe(server.folder / "output" / entry["outputs"]["save"]["text"][0].splitlines()[0])
    assert kind == ("output" if written.path == path else "temp")
    for info in (playable, written):
        assert (info.video.frames, info.video.width) == (len(bundled.sample().frames), 384)
        assert (info.audio is None) == (recipe == "gif")


def test_odd_pictures_work(server):
    """One frame, several, an alpha channel, odd sizes: into saving and as reference."""
    graph = basics() | {
        "empty_picture": node("EmptyImage", width=97, height=95, batch_size=5, color=255),
        "mask": node("SolidMask", value=0.5, width=97, height=95),
        "alpha": node("JoinImageWithAlpha", image=["empty_picture", 0], alpha=["mask", 0]),
        "first": node("ImageFromBatch", image=["alpha", 0], batch_index=0, length=1),
        "prompt": node(
            "JoVAPrompt", clip=["clip", 0], video_caption="", audio_caption="", transcript=""
        ),
        "reference": node(
            "JoVAReferenceImage",
            positive=["prompt", 0],
            negative=["prompt", 1],
            latent=["empty", 0],
            video_vae=["codecs", 0],
            image=["alpha", 0],
        ),
        "decoded": decode(["reference", 2]),
        "one": save(["first", 0], filename_prefix="one"),
        "five": save(["alpha", 0], filename_prefix="five"),
        "clip_file": save(["decoded", 0], ["decoded", 1], filename_prefix="clip"),
    }
    files = server.files(server.run(graph))
    assert sorted(probe(path).video.frames for _, path in files) == [1, 5, 17]


def test_cancelled_in_mid_sampling_it_stops_at_once_and_runs_again(server):
    graph = json.loads((ROOT / "tests/workflows/text_to_talking_video.api.json").read_text())
    (sampler,) = [n for n in graph.values() if n["class_type"] == "JoVASampler"]
    sampler["inputs"] |= {"seed": 123, "steps": CANCELLED_STEPS}
    running = server.start(graph)
    server.wait_until_said(rf"\b{CANCEL_AT // 10}\d/{CANCELLED_STEPS} ")
    server.post("/interrupt", {})
    entry = server.wait(running)
    assert "execution_interrupted" in server.messages(entry)
    done = [int(step) for step in re.findall(rf"\b(\d+)/{CANCELLED_STEPS} ", server.said())]
    assert max(done) < CANCEL_AT + LATE, "the server heard of it late"
    sampler["inputs"]["steps"] = 3
    ((_, path),) = server.files(server.run(graph))
    assert probe(path).video.frames == frames_of(graph)


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


def _reported(character):
    report = node("JoVASyncReport", images=["media", 1], audio=["media", 2], fps=FPS)
    return {"media": node("JoVASampleMedia", character=character), "report": report}


def _tasked(*arguments, **inputs):
    graph = basics() | {"task": task(*arguments, **inputs), "d": decode(["task", 0])}
    return graph | {"save": save(["d", 0])}


def test_the_sync_report_finds_its_face_model_in_the_models_folder(server, face_model):
    # Not the graph of the case without a model, which the cache would answer.
    entry = server.run(
        _reported("blond-hair") | {"again": node("PreviewAny", source=["report", 0])}
    )
    assert "in sync" in entry["outputs"]["report"]["text"][0]
    assert server.files(entry)[0][1].suffix == ".png"


def _masked(media, **inputs):
    return {
        "media": node("JoVASampleMedia", character="blond-hair"),
        "mouth": node("JoVAMouthMask", **{"image": media, "faces": 2, "pad": 0.25, **inputs}),
        "pixels": node("MaskToImage", mask=["mouth", 0]),
        "latents": node("MaskToImage", mask=["mouth", 1]),
        "boxes": node("PreviewAny", source=["mouth", 2]),
        **{
            f"seen_{name}": node("PreviewImage", images=source)
            for name, source in (
                ("pixels", ["pixels", 0]),
                ("latents", ["latents", 0]),
                ("overlay", ["mouth", 3]),
            )
        },
    }


def _seen(entry, name):
    return len(entry["outputs"][f"seen_{name}"]["images"])


def test_mouth_masks_of_a_video_an_image_and_a_wall(server, face_model):
    entry, count = server.run(_masked(["media", 1])), len(bundled.sample().frames)
    assert entry["outputs"]["mouth"]["text"][0].startswith(f"face 1: measured in {count} of ")
    latents = LINE.video_latents(count)
    seen = [_seen(entry, name) for name in ("pixels", "latents", "overlay")]
    assert seen == [count, latents, count]
    boxes = json.loads(entry["outputs"]["boxes"]["text"][0])
    assert len(boxes) == count
    x, y = (boxes[0][0][side] / bundled.side() for side in ("x", "y"))
    assert 0.2 < x < 0.45
    assert 0.5 < y < 0.8
    one = server.run(_masked(["media", 0], frames_per_latent=1, pixels_per_latent=16))
    assert [_seen(one, name) for name in ("pixels", "latents")] == [1, 1]
    wall = {"wall": node("EmptyImage", width=96, height=96, batch_size=6, color=200)}
    none = server.run(wall | _masked(["wall", 0]))
    said = none["outputs"]["mouth"]["text"][0]
    assert "No face was found in 6 frames." in said
    assert "The masks are empty." in said
    assert "do not fill a latent" in said
    assert json.loads(none["outputs"]["boxes"]["text"][0]) == [[]] * 6


SILENT = {"silent": node("EmptyAudio", duration=0.0, sample_rate=16_000, channels=1)}
WRONG = {
    "a junk model": (lambda: _loaded("junk.safetensors"), "not a safetensors file"),
    "a pickle": (lambda: _loaded("old.ckpt"), "expected a JoVA checkpoint"),
    "codecs swapped": (
        lambda: {
            **basics(),
            "d": decode(["empty", 0], video_vae=("codecs", 1)),
            "save": save(["d", 0]),
        },
        "does not belong to this model",
    ),
    "streams of two lengths": (
        _joined,
        f"Got {LINE.audio_latents(9)} audio latents beside a video of 17 frames "
        f".* expected {LINE.audio_latents(17)}",
    ),
    "an illegal length": (
        lambda: basics() | {"empty": empty(34), "d": decode(["empty", 0]), "save": save(["d", 0])},
        "Got 34 frames; expected 4·n \\+ 1, .* the nearest is 33",
    ),
    "nothing connected": (lambda: _tasked("audio"), "nothing is connected to audio and audio_vae"),
    "audio without samples": (
        lambda: SILENT | _tasked("audio", audio=["silent", 0], audio_vae=["codecs", 1]),
        "without samples",
    ),
    "audio without samples to save": (
        lambda: {
            "media": basics()["media"],
            **SILENT,
            "save": save(["media", 1], ["silent", 0]),
        },
        "without samples",
    ),
    "no audio at all": (
        lambda: {
            **basics(),
            "decoded": node(
                "JoVADecode", model=["model", 0], latent=["empty", 0], video_vae=["codecs", 0]
            ),
            "report": node("JoVASyncReport", images=["decoded", 0], audio=["decoded", 1], fps=FPS),
        },
        "Got no audio",
    ),
    "no face model": (lambda: _reported("brown-hair"), "face_landmarker.task"),
    "no face model for masks": (lambda: _masked(["media", 1]), "face_landmarker.task"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_a_sentence(server, case):
    graph, sentence = WRONG[case]
    server.refuses(graph(), sentence)
