"""The command line as a user meets it: a real clip, one clear sentence for each wrong input."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from jova_core.__main__ import main
from jova_core.media import probe, read_audio, read_image, write_clip
from jova_core.mini import MINI, MINI_CODECS

from . import bundled

pytestmark = pytest.mark.skipif(not MINI.exists(), reason="the bundled JoVA-mini is missing")
PROMPT = bundled.spoken()
SIDE, FPS = bundled.side(), bundled.config().video.fps
FAST = [*bundled.FEW, "--seconds", "0.3"]


def portrait(path: Path) -> Path:
    frames = torch.full((1, SIDE, SIDE, 3), 180, dtype=torch.uint8)
    write_clip(path, frames, None, fps=FPS, sample_rate=16000)
    return path


def tone(path: Path, level: float = 0.3, seconds: float = 0.5) -> Path:
    import soundfile

    t = torch.arange(int(44100 * seconds)) / 44100
    soundfile.write(path, (level * torch.sin(2770 * t)).numpy(), 44100)
    return path


def film(path: Path) -> Path:
    """Seven frames, of which five fill whole latents."""
    frames = torch.randint(0, 255, (7, 120, 160, 3), dtype=torch.uint8)
    write_clip(path, frames, None, fps=FPS, sample_rate=16000)
    return path


def test_a_prompt_becomes_a_file_with_both_streams(tmp_path, capsys):
    out = tmp_path / "hello.mp4"
    assert main(["generate", PROMPT, "-o", str(out), "--steps", "2", "--seconds", "1"]) == 0
    info, frames = probe(out), bundled.timeline().legal_frames(1)
    assert (info.video.width, info.video.height, info.video.frames) == (384, 384, frames)
    assert abs(info.video.seconds - info.audio.seconds) < 1 / FPS
    assert str(out) in capsys.readouterr().out


def test_the_same_seed_gives_the_same_file(tmp_path):
    files = [tmp_path / f"{n}.mp4" for n in range(3)]
    for path, seed in zip(files, ("1", "1", "2"), strict=True):
        assert main(["generate", PROMPT, "-o", str(path), "--seed", seed, *FAST]) == 0
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


def test_unknown_words_are_named_with_the_list(tmp_path, capsys):
    main(["generate", 'a blue face says "helo"', "-o", str(tmp_path / "a.mp4"), *FAST])
    said = capsys.readouterr().err
    assert "helo" in said
    assert "goodbye" in said


def random_lora(path: Path, seed: int) -> Path:
    generator, tensors = torch.Generator().manual_seed(seed), {}
    with safe_open(MINI, "pt") as file:
        shapes = {n: file.get_slice(n).get_shape() for n in file.keys() if ".qkv.weight" in n}  # noqa: SIM118
    for name, (rows, columns) in shapes.items():
        layer = f"diffusion_model.{name.removesuffix('.weight')}"
        tensors[f"{layer}.lora_down.weight"] = torch.randn(2, columns, generator=generator)
        tensors[f"{layer}.lora_up.weight"] = 0.01 * torch.randn(rows, 2, generator=generator)
    save_file(tensors, path)
    return path


def test_several_loras_all_act(tmp_path):
    """The second neither replaces the first nor is left out, and each has its strength."""
    first, second = (
        ["--lora", str(random_lora(tmp_path / f"{n}.safetensors", n))] for n in range(2)
    )
    off = ["--lora-strength", "1", "--lora-strength", "0"]
    made = []
    for number, loras in enumerate((first, second, [*first, *second], [*first, *second, *off])):
        out = tmp_path / f"{number}.png"
        command = ["generate", PROMPT, "-o", str(out), "--steps", "1", *loras]
        assert main([*command, "--scale", "1"]) == 0
        made.append(read_image(out))
    assert torch.equal(made[0], made[3])
    assert not any(torch.equal(made[2], alone) for alone in made[:2])


def test_one_frame_is_an_image(tmp_path):
    out = tmp_path / "face.png"
    assert main(["generate", PROMPT, "-o", str(out), "--steps", "2"]) == 0
    assert read_image(out).shape == (384, 384, 3)


def test_an_empty_prompt_is_legal(tmp_path):
    assert main(["generate", "", "-o", str(tmp_path / "any.mp4"), *FAST]) == 0


def test_given_sound_is_muxed_as_given(tmp_path):
    voice = tone(tmp_path / "voice.wav")
    out = tmp_path / "sung.mp4"
    options = ["--audio", str(voice), "--steps", "2", "--scale", "1"]
    assert main(["generate", "", "-o", str(out), *options]) == 0
    assert probe(out).audio.sample_rate == 44100
    ours, given = read_audio(out, 16000), read_audio(voice, 16000)
    n = min(len(ours), len(given))
    assert torch.corrcoef(torch.stack((ours[:n], given[:n])))[0, 1] > 0.99


def test_silent_sound_is_handled_with_a_note(tmp_path, capsys):
    quiet = tone(tmp_path / "quiet.wav", level=0.0)
    options = ["--audio", str(quiet), "--steps", "2", "--scale", "1"]
    assert main(["generate", "", "-o", str(tmp_path / "calm.mp4"), *options]) == 0
    assert "silent" in capsys.readouterr().err


def test_a_given_video_keeps_its_pictures_and_gets_a_voice(tmp_path):
    out = tmp_path / "dub.mp4"
    clip = film(tmp_path / "film.mp4")
    assert main(["generate", "", "-o", str(out), "--video", str(clip), "--steps", "2"]) == 0
    info = probe(out)
    assert (info.video.width, info.video.height, info.video.frames) == (160, 120, 5)
    assert info.audio is not None


def test_a_given_video_of_one_frame_is_handled(tmp_path):
    one, out = tmp_path / "one.mp4", tmp_path / "out.mp4"
    picture = torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)
    write_clip(one, picture, None, fps=FPS, sample_rate=16000)
    assert main(["generate", "", "-o", str(out), "--video", str(one), "--steps", "2"]) == 0
    assert probe(out).video.frames == 1


def test_given_sound_is_never_cut_by_the_choice_of_length(tmp_path, capsys):
    voice, out = tone(tmp_path / "voice.wav", seconds=0.4), tmp_path / "out.mp4"
    options = ["--audio", str(voice), "--steps", "2", "--scale", "1"]
    assert main(["generate", "", "-o", str(out), *options]) == 0
    assert probe(out).video.frames == bundled.timeline().covering_frames(0.4)
    assert "was cut" not in capsys.readouterr().err


def test_what_is_left_of_a_given_video_is_said(tmp_path, capsys):
    clip = film(tmp_path / "film.mp4")
    out = ["-o", str(tmp_path / "out.mp4"), "--steps", "2"]
    assert main(["generate", "", *out, "--video", str(clip)]) == 0
    words = f"lasts {float(7 / FPS):.2f} s; the clip lasts {float(5 / FPS):.2f} s"
    assert words in capsys.readouterr().err


def test_a_given_picture_is_the_first_frame(tmp_path):
    picture = portrait(tmp_path / "me.png")
    out = tmp_path / "me.mp4"
    assert main(["generate", "", "-o", str(out), "--image", str(picture), *FAST]) == 0


@pytest.fixture
def wrong(tmp_path):
    """Files that are not what they are given as."""
    text = tmp_path / "notes.txt"
    text.write_text("no picture at all")
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(MINI.read_bytes()[:100_000])
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, foreign)
    return {
        "TEXT": str(text),
        "TORN": str(torn),
        "FOREIGN": str(foreign),
        "GONE": str(tmp_path / "gone.png"),
        "FOLDER": str(tmp_path),
        "TONE": str(tone(tmp_path / "tone.wav")),
        "FACE": str(portrait(tmp_path / "face.png")),
        "FILM": str(film(tmp_path / "film.mp4")),
        "OUT": str(tmp_path / "out.mp4"),
        "CODECS": str(MINI_CODECS),
    }


BAD = [
    (["--seconds", "0"], "above 0"),
    (["--seconds", "-3"], "above 0"),
    (["--seconds", "600"], "too long"),
    (["--seconds", "nan"], "length"),
    (["--steps", "0"], "1 to 1000"),
    (["--steps", "5000"], "1 to 1000"),
    (["--solver", "magic"], "euler, heun, ab2"),
    (["--cfg-video", "-1"], "0 to 30"),
    (["--cfg-audio", "1000"], "0 to 30"),
    (["--shift", "0"], "above 0"),
    (["--seed", "-5"], "seed"),
    (["--scale", "0"], "1 to 16"),
    (["--image", "TEXT"], "notes.txt"),
    (["--image", "GONE"], "does not exist"),
    (["--image", "FOLDER"], "folder"),
    (["--audio", "TEXT"], "notes.txt"),
    (["--audio", "FACE"], "face.png"),
    (["--video", "TONE"], "tone.wav"),
    (["--audio", "TONE", "--video", "FILM"], "trained on masks"),
    (["--image", "FACE", "--video", "FILM"], "give one"),
    (["--checkpoint", "TORN"], "truncated"),
    (["--checkpoint", "FOREIGN"], "not a JoVA checkpoint"),
    (["--checkpoint", "CODECS"], "not a JoVA checkpoint"),
    (["--codecs", "FOREIGN"], "codec"),
    (["--transcript", "hello " * 33], "shorten"),
    (["--lora-strength", "1"], "Got 1 --lora-strength for 0 --lora"),
    (["--lora", "GONE", *["--lora-strength", "1"] * 2], "Got 2 --lora-strength for 1 --lora"),
    (["--video-caption", "a face", "<Video Caption>: a face"], "once"),
]


@pytest.mark.parametrize(("options", "says"), BAD, ids=[" ".join(o)[:40] for o, _ in BAD])
def test_wrong_input_gets_one_sentence_and_leaves_nothing(options, says, wrong, tmp_path, capsys):
    before = set(tmp_path.iterdir())
    given = [wrong.get(option, option) for option in options]
    assert main(["generate", "-o", wrong["OUT"], *given]) == 2
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if line.startswith("jova: ")]
    assert says in lines[-1]
    assert "Traceback" not in said
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("option", ["--seconds", "--audio", "--video"])
def test_a_picture_has_neither_length_nor_sound(option, tmp_path, capsys):
    assert main(["generate", "-o", str(tmp_path / "out.png"), option, "1"]) == 2
    assert option in capsys.readouterr().err


@pytest.mark.parametrize("name", ["out.xyz", "gone/out.mp4", "out", "taken.mp4"])
def test_an_impossible_output_is_refused_before_the_work(name, tmp_path, capsys):
    (tmp_path / "taken.mp4").mkdir()
    assert main(["generate", PROMPT, "-o", str(tmp_path / name)]) == 2
    assert "generate:" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "says"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "cannot be written")]
)
def test_full_disk_and_closed_folder(code, says, tmp_path, capsys, monkeypatch):
    real = os.open

    def refuse(path, flags, *rest, **named):
        if flags & os.O_CREAT and str(tmp_path) in str(path):
            raise OSError(code, os.strerror(code))
        return real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", refuse)
    assert main(["generate", PROMPT, "-o", str(tmp_path / "out.mp4"), *FAST]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_wrong_training_settings(tmp_path, capsys):
    for options, says in (
        (["--optimizer", "magic"], "adamw, adamw8bit, muon"),
        (["--batch", "0"], "1 or more"),
        (["--mouth-weight", "nan"], "0 or more"),
        (["--audio-given", "1.5"], "at most 1"),
        (["--shard"], "--no-compile"),
        (["--preset", "huge"], "mini"),
        (["--lora", "--lora-rank", "0"], "rank"),
        (["--lora", "--lora-video-layers", "attn"], "qkv, proj"),
        ([], "contains no encoded clips"),
    ):
        assert main(["train", str(tmp_path), str(tmp_path / "run"), *options]) == 2
        assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["train", "DIR", "DIR/run", "--threads", "0"], "--threads"),
        (["train", "DIR", "DIR/run", "--minutes", "nan"], "--minutes"),
        (["train-codecs", "DIR", "DIR/c.safetensors", "--video-minutes", "0"], "--video-minutes"),
        (["train-codecs", "DIR", "DIR/c.safetensors", "--seed", "-1"], "--seed"),
        (["train-codecs", "DIR", "DIR/gone/c.safetensors"], "does not exist"),
        (["data", "encode", "DIR"], "format"),
        (["data", "make-mini", "DIR/dataset.json/set"], "could not be written"),
        (["data", "make-mini", "DIR/set", "--workers", "0"], "start at 1"),
        (["data", "make-voices", "DIR/set", "--phrases", "0"], "expected 1 or more"),
        (["eval-mini", "DIR", "--limit", "0"], "--limit"),
        (["eval-mini", "DIR", "--json", "DIR/gone/a.json"], "does not exist"),
        (["eval-mini", "DIR"], "format"),
        (["eval-codecs", "DIR"], "format"),
    ],
)
def test_wrong_input_of_the_other_commands(command, says, tmp_path, capsys):
    (tmp_path / "dataset.json").write_text(json.dumps({"format": "other"}))
    assert main([word.replace("DIR", str(tmp_path)) for word in command]) == 2
    assert says in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]


def test_eval_tries_its_settings_before_the_work(tmp_path, capsys):
    (tmp_path / "dataset.json").write_text(
        json.dumps(
            {
                "format": "jova-clips-1",
                "seed": 0,
                "fps": 16,
                "sample_rate": 16000,
                "height": 96,
                "width": 96,
                "held_out": {"hair_background": [], "word_pairs": []},
                "clips": [],
            }
        )
    )
    assert main(["eval-mini", str(tmp_path), "--steps", "0"]) == 2
    assert "1 to 1000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("load", {"import_torch", "import_jova", "load_mini"}),
        ("sample", {"text", "sampling", "sampling_torchs_products", "step"}),
        ("decode", {"decode", "decode_then_write", "decode_while_writing", "overlap_speedup"}),
    ],
)
def test_bench_names_its_phases(capsys, monkeypatch, what, names):
    monkeypatch.setattr("jova_core.bench.decode.LENGTHS", (1,))
    command = ["bench", what, "--steps", "1", "--repeat", "1", "--seconds", "0.5", "--json"]
    assert main(command) == 0
    figures = json.loads(capsys.readouterr().out)
    peaks = {"whole_peak_mb", "streamed_peak_mb"} if what == "decode" else set()
    assert set(figures) == names | {"torch", "threads"} | peaks
    assert all(0 < figures[name] < 60 for name in names)
    assert main(["bench", what, "--repeat", "0"]) == 2
    assert main(["bench", what, "--tiny"]) == 2


@pytest.mark.parametrize(("chosen", "kept"), [(None, "passive"), ("active", "active")])
def test_threads_wait_without_spinning_unless_somebody_chose(chosen, kept):
    """The setting is there before torch, which reads it once."""
    code = (
        "import os, sys; sys.modules['torch'] = None\n"  # whoever imports it now fails
        "try: import jova_core.__main__\n"
        "except ImportError: print(os.environ['OMP_WAIT_POLICY'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": chosen} if chosen else {}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == kept
