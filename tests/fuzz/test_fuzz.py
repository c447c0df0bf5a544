"""Damaged files: each is read, or refused in one sentence; none hangs, none leaves a half behind.

The figures stand in each test's output (`pytest -s tests/fuzz`).
"""

import json
import time
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import jova_core
from jova_core.commands.settings_file import expand
from jova_core.config import JoVAConfig
from jova_core.errors import JoVAError
from jova_core.files import read_tensors
from jova_core.media import load_audio, probe, read_image, read_video, stream_video, write_clip
from jova_core.media.tags import read_tags
from jova_core.mini.codecs import load_codecs
from jova_core.model.checkpoint import load_jova, save_jova
from jova_core.model.lora import LoRAConfig, load_lora, lora_tensors
from jova_core.model.quantize import quantize
from jova_core.presets import PRESETS
from jova_core.training.manifest import read_manifest
from jova_core.training.shards import read_encoded

from ..media.inputs import made, raw
from .mutate import mutated

WEIGHTS = Path(jova_core.__file__).parent / "mini" / "weights"
SLOWEST = 20.0  # seconds for one file; reading a whole one takes well under one


def media_of(folder):
    """One small file of each kind of media, by name."""
    pictures = np.random.default_rng(0).integers(256, size=(6, 32, 48, 3), dtype=np.uint8)
    tone = ["-f", "lavfi", "-i", "sine=d=0.75:r=16000"]
    for name in ("clip.mp4", "clip.mkv", "clip.webm", "clip.mov"):
        made(folder / name, "-y", *raw(folder, pictures), *tone, "-shortest")
    for name in ("voice.wav", "voice.flac", "voice.mp3", "voice.ogg", "voice.m4a"):
        made(folder / name, "-y", *tone)
    for name in ("face.png", "face.jpg", "face.webp", "face.gif", "face.bmp"):
        Image.fromarray(pictures[0]).save(folder / name)
    (folder / "pictures.raw").unlink()
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def read_media(path):
    """Everything that reads such a file."""
    for read in (probe, read_tags):
        _tried(read, path)
    if path.suffix in (".png", ".jpg", ".webp", ".gif", ".bmp"):
        read_image(path)
    elif path.suffix in (".wav", ".flac", ".mp3", ".ogg", ".m4a"):
        load_audio(path)
    else:
        _tried(load_audio, path)
        read_video(path, fps=8, max_frames=5)
        for _ in stream_video(path, frames=5).chunks:
            pass


def _tried(read, path):
    try:
        read(path)
    except JoVAError as error:
        _check_sentence(error)


def _check_sentence(error):
    text = str(error)
    assert "\n" not in text, text
    assert "Traceback" not in text, text


def run(count, seed, originals, path_of, read):
    """Read `count` damaged files; (how many were read, refused, slowest seconds)."""
    rng, found, slowest = np.random.default_rng(seed), Counter(), 0.0
    names = sorted(originals)
    for name in names:
        path_of(name).write_bytes(originals[name])
        read(path_of(name))  # undamaged
    for number in range(count):
        name = names[number % len(names)]
        path = path_of(name)
        path.write_bytes(mutated(originals[name], rng))
        started = time.monotonic()
        try:
            read(path)
            found["read"] += 1
        except JoVAError as error:
            _check_sentence(error)
            found["refused"] += 1
        except Exception as error:
            kept = path.with_name(f"failed-{number}-{path.name}")
            path.rename(kept)
            raise AssertionError(f"{kept}: {type(error).__name__}: {error}") from error
        took = time.monotonic() - started
        assert took < SLOWEST, f"{path} took {took:.0f} s"
        slowest = max(slowest, took)
    print(f"{count} files: {dict(found)}, slowest {slowest:.2f} s")  # noqa: T201
    assert found["refused"]
    return found


def test_media(tmp_path):
    (tmp_path / "whole").mkdir()
    originals = media_of(tmp_path / "whole")
    run(420, 1, originals, lambda name: tmp_path / name, read_media)
    assert {path.name for path in tmp_path.iterdir()} <= {"whole", *originals}


@pytest.mark.parametrize("seed", [2, 3])
def test_lists_and_captions(tmp_path, seed):
    tmp_path.joinpath("a.mp4").write_bytes(b"x")
    caption = "<Video Caption>: a face\n<Audio Caption>: a voice\n<Transcript>: hello".encode
    lines = [{"video": "a.mp4", "transcript": "héllo", "video_caption": "a face"}] * 3
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    encodings = {"utf-8": "list.jsonl", "utf-16": "wide.jsonl", "latin-1": "old.jsonl"}
    originals = {name: text.encode(kind) for kind, name in encodings.items()}
    originals |= {"a.txt": caption()}

    def read(path):
        read_manifest(tmp_path if path.suffix == ".txt" else path)

    run(400, seed, originals, lambda name: tmp_path / name, read)


def test_safetensors_of_every_kind(tmp_path, tiny_config, tiny_model, tiny):
    config = tiny_config(dual_blocks=1, single_blocks=1)
    path = tmp_path / "model.safetensors"
    save_jova(path, tiny_model(config).state_dict(), config, {"licence": "none"})
    shard = next(tiny.make_data(tmp_path / "data").glob("*.safetensors"))
    names = {"model": path, "shard": shard}
    originals = {name: each.read_bytes() for name, each in names.items()}

    def read(path):
        for reader in (load_codecs, load_lora):
            with pytest.raises(JoVAError):
                reader(path)
        read_encoded(path.parent) if path == shard else load_jova(path)

    run(400, 4, originals, names.__getitem__, read)


def test_metadata_of_every_kind(tmp_path, tiny_config, tiny_model, tiny):
    """Headers that are whole, with damage in the texts that we wrote into them."""
    config = tiny_config(dual_blocks=1, single_blocks=1)
    model = tmp_path / "model.safetensors"
    save_jova(model, tiny_model(config).state_dict(), config, {"licence": "none"})
    shard = next(tiny.make_data(tmp_path / "data").glob("*.safetensors"))
    lora = tmp_path / "lora.safetensors"
    matrices = {"single_blocks.0.v.proj.down": torch.ones(4, 32)}
    matrices["single_blocks.0.v.proj.up"] = torch.ones(32, 4)
    save_file(lora_tensors(matrices, LoRAConfig()), lora, {"about": "{}"})
    codecs = tmp_path / "codecs.safetensors"
    codecs.write_bytes((WEIGHTS / "jova_mini_codecs.safetensors").read_bytes())
    readers = {model: load_jova, lora: load_lora, codecs: load_codecs}
    readers[shard] = lambda path: read_encoded(path.parent)
    whole = {path: read_tensors(path, "file", "a file") for path in readers}
    texts = {
        f"{number} {key}": (path, key)
        for number, path in enumerate(readers)
        for key in whole[path][1]
    }

    def path_of(name):
        return tmp_path / f"{name}.text"

    def read(text):
        path, key = texts[text.stem]
        tensors, metadata = whole[path]
        changed = text.read_bytes().decode("utf-8", "replace")
        save_file(tensors, path, {**metadata, key: changed})
        try:
            readers[path](path)
        finally:
            save_file(tensors, path, metadata)

    originals = {name: whole[path][1][key].encode() for name, (path, key) in texts.items()}
    run(240, 8, originals, path_of, read)


def test_what_is_written_from_damaged_files_is_whole_or_nothing(tmp_path, tiny_config, tiny_model):
    config = tiny_config(dual_blocks=1, single_blocks=1)
    whole = tmp_path / "model.safetensors"
    save_jova(whole, tiny_model(config).state_dict(), config, {})
    target = tmp_path / "small.safetensors"

    def read(path):
        target.unlink(missing_ok=True)
        try:
            quantize(path, target, "int8")
        except JoVAError:
            assert not target.exists()
            raise
        load_jova(target)

    originals = {"model": whole.read_bytes()}
    run(60, 5, originals, lambda name: tmp_path / f"{name}.broken.safetensors", read)


def test_settings_and_configs(tmp_path):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--compile", action="store_true")
    config = JoVAConfig.from_json
    originals = {
        "run.yaml": b"steps: 4\nseed: 2\ncompile: true\n",
        "run.json": b'{"steps": 4, "seed": 2, "compile": false}',
        "config.txt": PRESETS["mini"].to_json().encode(),
    }

    def read(path):
        if path.suffix == ".txt":
            config(path.read_bytes().decode("utf-8", "replace"))
        else:
            expand(["--config", str(path)], parser)

    run(400, 6, originals, lambda name: tmp_path / name, read)


def test_tags_of_any_text_are_written_and_read(tmp_path):
    """Workflows are stored as they came, whatever they hold."""
    rng = np.random.default_rng(7)
    whole = json.dumps({"1": {"class_type": "JoVAPrompt", "inputs": {"text": 'a "b" \\ {c}'}}})
    frames = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    kept = 0
    for number in range(40):
        text = mutated(whole.encode(), rng).decode("utf-8", "replace").replace("\x00", "")
        target = tmp_path / f"{number}.mp4"
        try:
            write_clip(target, frames, None, fps=8, sample_rate=1, metadata={"prompt": text})
        except JoVAError as error:
            _check_sentence(error)
            assert not target.exists()
            continue
        assert read_tags(target)["prompt"] == text
        kept += 1
    print(f"40 tags: {kept} kept")  # noqa: T201
    assert kept > 30
