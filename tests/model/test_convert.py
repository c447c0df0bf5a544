"""`jova convert` as a user meets it: shards, a killed run, its memory, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from jova_core.__main__ import main
from jova_core.errors import JoVAError
from jova_core.model.backbone import convert
from jova_core.model.checkpoint import load_jova

ROOT = Path(__file__).parents[2]
SMALL = {"blocks": (1, 1, 1), "dtype": torch.bfloat16}
# Peak of resident memory while converting, above what the process has after its imports, in bytes.
# The kernel's own mark is set back first, as imports peak higher than what remains of them.
PEAK = """
import sys
from pathlib import Path
import jova_core.commands.convert
from jova_core.model.backbone import convert
def memory(kind):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) * 1024
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
convert(Path(sys.argv[1]), Path(sys.argv[2]))
print(memory("VmHWM") - before)
"""


def data_of(path):
    """The bytes of a file's tensors."""
    whole = path.read_bytes()
    return whole[8 + int.from_bytes(whole[:8], "little") :]


def digest(path):
    with path.open("rb") as file:
        made = sha256()
        while block := file.read(1 << 20):
            made.update(block)
    return made.hexdigest()


def child(*arguments, **options):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *arguments], env=environment, cwd=ROOT, **options)


@pytest.fixture
def backbone(tmp_path, hunyuan_weights):
    path = tmp_path / "backbone.safetensors"
    save_file(hunyuan_weights(**SMALL), path)
    return path


def test_the_command_writes_a_checkpoint_that_says_where_it_is_from(backbone, tmp_path, capsys):
    out = tmp_path / "jova.safetensors"
    assert main(["convert", str(backbone), str(out)]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(out)
    assert "Tencent Hunyuan Community License" in said.err
    made = load_jova(out)
    config, notes = made.config, made.notes
    assert (config.dual_blocks, config.single_blocks, config.text_refiner_blocks) == (1, 1, 1)
    assert (config.head_silu, config.single_form, config.rope_theta) == ("once", "parallel", 256)
    assert (config.text[0].width, config.text[0].pad, config.pooled_width) == (24, "cut", 10)
    assert config.max_seconds == 10.75
    assert notes["source"] == {
        "layout": "hunyuan",
        "latents": "keep",
        "sha256": {backbone.name: digest(backbone)},
    }
    # The digest of all tensors is what its description says.
    with safe_open(out, framework="pt") as file:
        names = sorted(file.keys())
        each = [
            sha256(file.get_tensor(n).view(-1).view(torch.uint8).numpy()).hexdigest() for n in names
        ]
    lines = "".join(f"{n} {d}\n" for n, d in zip(names, each, strict=True))
    assert notes["tensors_sha256"] == sha256(lines.encode()).hexdigest()
    # Nothing else stays in the folder, and doing it again gives the same file.
    assert {path.name for path in tmp_path.iterdir()} == {backbone.name, out.name}
    first = digest(out)
    assert main(["convert", str(backbone), str(out)]) == 0
    assert digest(out) == first


def test_another_licence_and_wan_latents(backbone, tmp_path):
    kept, wan = tmp_path / "kept.safetensors", tmp_path / "wan.safetensors"
    convert(backbone, kept)
    convert(backbone, wan, latents="wan2.1", licence="of SkyReels")
    made = load_jova(wan)
    assert made.notes["licence"] == "of SkyReels"
    assert (made.config.video.codec, made.config.video.fps) == ("wan2.1", 16)
    ours, theirs = load_file(wan), load_file(kept)
    changed = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    parts = ("input.weight", "input.bias", "final.linear.weight", "final.linear.bias")
    assert changed == {f"branches.v.{part}" for part in parts}
    assert not ours["branches.v.final.linear.weight"].any()
    assert ours["branches.v.input.weight"].any()


def test_shards_are_one_checkpoint(backbone, tmp_path):
    tensors = sorted(load_file(backbone).items())
    folder = tmp_path / "shards"
    folder.mkdir()
    where = {}
    for n in range(3):
        save_file(dict(tensors[n::3]), folder / f"model-{n}.safetensors")
        where |= {name: f"model-{n}.safetensors" for name, _ in tensors[n::3]}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    convert(backbone, tmp_path / "one.safetensors")
    for source in (index, folder):
        convert(source, tmp_path / "many.safetensors")
        assert data_of(tmp_path / "many.safetensors") == data_of(tmp_path / "one.safetensors")
    (folder / "model-1.safetensors").unlink()
    with pytest.raises(JoVAError, match="model-1"):
        convert(index, tmp_path / "many.safetensors")


def test_a_killed_run_goes_on(tmp_path, hunyuan_weights):
    """60 MB, killed without warning; then a byte of what was done is lost, too."""
    source, whole, out = (tmp_path / f"{name}.safetensors" for name in ("in", "whole", "out"))
    save_file(hunyuan_weights("diffusers", dim=512, dtype=torch.bfloat16), source)
    assert source.stat().st_size > 55e6
    convert(source, whole)
    journal, part = tmp_path / ".out.safetensors.journal", tmp_path / ".out.safetensors.part"
    process = child("-m", "jova_core", "convert", source, out, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 100
    while not journal.exists() or len(journal.read_bytes().splitlines()) < 8:
        assert process.poll() is None, "it was done before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    done = len(journal.read_text().splitlines()) - 1
    with part.open("r+b") as file:
        file.seek(whole.stat().st_size - len(data_of(whole)) + 5)  # in the first tensor
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    found = convert(source, out).found
    assert done - 2 <= found < done
    assert digest(out) == digest(whole)
    assert not part.exists()
    assert not journal.exists()


def test_what_an_earlier_run_of_another_kind_left_is_not_used(backbone, tmp_path):
    out = tmp_path / "out.safetensors"
    convert(backbone, out)
    first = digest(out)
    (tmp_path / ".out.safetensors.part").write_bytes(out.read_bytes())
    (tmp_path / ".out.safetensors.journal").write_text('{"plan": "other"}\n{"name": ')
    assert convert(backbone, out).found == 0
    assert digest(out) == first


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="counts as Linux does")
@pytest.mark.parametrize("layout", ["hunyuan", "open-sora"])
def test_memory_is_that_of_a_tensor(layout, tmp_path, hunyuan_weights, open_sora_weights):
    source, out = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    if layout == "hunyuan":
        tensors = hunyuan_weights("diffusers", dim=768, blocks=(1, 1, 1), dtype=torch.bfloat16)
    else:
        tensors = open_sora_weights(dim=768, blocks=(1, 1), dtype=torch.bfloat16)
    save_file(tensors, source)
    assert source.stat().st_size > 55e6
    process = child("-c", PEAK, source, out, stdout=subprocess.PIPE)
    peak = int(process.communicate()[0])
    largest = 7 * 768 * 768 * 2  # of the result: the first matrix of a single block, bf16
    assert peak <= 2 * largest + 64e6
    # The bound would notice a conversion that holds everything.
    assert out.stat().st_size > 2 * largest + 64e6


def _without(tensors, name):
    return {key: value for key, value in tensors.items() if key != name}


WRONG = {
    "lacks single_blocks.0.linear2.weight": lambda t: _without(t, "single_blocks.0.linear2.weight"),
    "1 tensors that the layout hunyuan lacks, first byt5_in": lambda t: (
        t | {"byt5_in.fc1.weight": torch.zeros(2, 2)}
    ),
    "F8_E4M3 weights": lambda t: (
        t | {"img_in.proj.weight": t["img_in.proj.weight"].to(torch.float8_e4m3fn)}
    ),
    "unknown layout": lambda _: {"unet.weight": torch.zeros(2)},
    "40 channels": lambda t: t | {"img_in.proj.weight": torch.zeros(256, 40, 1, 2, 2)},
    "heads of 64": lambda t: t | {"double_blocks.0.img_attn_q_norm.weight": torch.ones(64)},
    "branches.v.final.linear.bias becomes None": lambda t: _without(t, "final_layer.linear.bias"),
    "lacks double_blocks.0.img_attn_proj.weight": lambda t: {
        name.replace("double_blocks.0.", "double_blocks.1."): value for name, value in t.items()
    },
}


@pytest.mark.parametrize("sentence", WRONG)
def test_what_cannot_be_converted_is_named(sentence, backbone, tmp_path):
    save_file(WRONG[sentence](load_file(backbone)), backbone)
    out = tmp_path / "out.safetensors"
    with pytest.raises(JoVAError) as error:
        convert(backbone, out)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == [backbone]


def test_files_that_cannot_be_used_are_named(backbone, tmp_path):
    out = tmp_path / "out.safetensors"
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(backbone.read_bytes()[:-1])
    index = tmp_path / "wrong.index.json"
    index.write_text("[]")
    for source, words in [
        (tmp_path / "absent.safetensors", "absent"),
        (cut, "truncated"),
        (index, "no index"),
        (tmp_path, "2 checkpoints"),
    ]:
        with pytest.raises(JoVAError, match=words):
            convert(source, out)
    with pytest.raises(JoVAError, match="another name"):
        convert(backbone, backbone)
    with pytest.raises(JoVAError, match="does not exist"):
        convert(backbone, tmp_path / "nowhere" / "out.safetensors")
    with pytest.raises(JoVAError, match="latents"):
        convert(backbone, out, latents="sd")
    assert not out.exists()
