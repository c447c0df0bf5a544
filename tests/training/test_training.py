"""The training loop on a tiny model and made-up latents: it learns, resumes and refuses."""

import json
import sys
import types
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from jova_core.codecs import LatentStats
from jova_core.errors import JoVAError
from jova_core.latents import latent_shapes
from jova_core.mini.text.encoder import MiniTextEncoder
from jova_core.model.checkpoint import load_jova
from jova_core.model.lora import LoRAConfig, load_lora, merge_lora
from jova_core.presets import PRESETS
from jova_core.training import loop
from jova_core.training.ahead import made_ahead
from jova_core.training.clock import Clock
from jova_core.training.lock import locked
from jova_core.training.loop import losses, train
from jova_core.training.settings import TrainSettings
from jova_core.training.shards import Outcome, TrainingClip, write_shard
from jova_core.training.state import identity_of, load_state
from jova_core.vocabulary import Vocabulary

_SMALL = PRESETS["mini_ablation"]
CONFIG = replace(
    _SMALL,
    dim=48,
    heads=2,
    rope_axes=(8, 8, 8),
    dual_blocks=1,
    single_blocks=1,
    video=replace(_SMALL.video, mean=(0.0,) * 16, std=(1.0,) * 16),
    audio=replace(_SMALL.audio, mean=(0.0,) * 20, std=(1.0,) * 20),
)
VOCABULARY = Vocabulary(
    video_words=("red", "blue"), audio_words=("deep",), spoken_words=("hello", "cat")
)
SETTINGS = TrainSettings(
    batch=2, steps=6, warmup=1, compile=False, dtype="fp32", checkpoint_every=1, log_every=1
)


ENCODERS = (MiniTextEncoder.of(CONFIG, VOCABULARY),)


def make_data(root: Path) -> Path:
    """A folder of made-up encoded clips: all that training reads."""
    root.mkdir(parents=True)
    tensors, outcomes = {}, []
    for number, frames in enumerate((5, 5, 9, 9)):
        name = f"{number:06d}"
        video, audio = latent_shapes(CONFIG, frames, height=24, width=24)
        generator = torch.Generator().manual_seed(number)
        tensors[f"{name}.video"] = torch.randn(video[1:], generator=generator).bfloat16()
        tensors[f"{name}.audio"] = torch.randn(audio[1:], generator=generator).bfloat16()
        tensors[f"{name}.mouth"] = torch.zeros(video[2:], dtype=torch.uint8)
        tensors[f"{name}.mouth"][:, 1:, 1:] = 1
        clip = TrainingClip(
            id=name,
            frames=frames,
            video_caption="red" if number % 2 else "blue",
            audio_caption="deep",
            transcript="hello cat",
        )
        outcomes.append(Outcome(id=name, source=name, clip=clip))
    stats = {
        f"{stream}_{name}": torch.tensor(getattr(getattr(CONFIG, stream), name))
        for stream in ("video", "audio")
        for name in ("mean", "std")
    }
    write_shard(root, tensors, outcomes, LatentStats(**stats))
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data") / "set")


def log_of(folder: Path) -> dict[int, dict]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines}


def run(data, out, **changes):
    named = ("resume", "init_from", "callbacks", "lora", "clock")
    extra = {k: changes.pop(k) for k in named if k in changes}
    notes = {"vocabulary": VOCABULARY.to_dict()}
    settings = replace(SETTINGS, **changes)
    return train(data, out, CONFIG, settings, ENCODERS, notes=notes, **extra)


def test_loss_falls_on_few_clips(data, tmp_path):
    run(data, tmp_path, steps=60, learning_rate=3e-3, checkpoint_every=60)
    losses = [line["loss"] for line in log_of(tmp_path).values()]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


def test_log_names_every_term(data, tmp_path):
    run(data, tmp_path, steps=1)
    line = log_of(tmp_path)[1]
    for name in ("loss", "video", "audio", "mouth", "mouth_share", "grad_norm", "audio_by_time"):
        assert name in line
    assert line["mouth_share"] > 0


def test_checkpoint_carries_config_and_vocabulary(data, tmp_path):
    checkpoint = load_jova(run(data, tmp_path, steps=1))
    assert checkpoint.config == CONFIG
    assert Vocabulary.from_dict(checkpoint.notes["vocabulary"]) == VOCABULARY
    assert checkpoint.notes["samples"] == 2
    assert all(t.dtype == torch.bfloat16 for t in checkpoint.tensors.values())


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_resume_is_bit_exact(data, tmp_path, optimizer):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(data, whole, optimizer=optimizer)
    run(data, parts, optimizer=optimizer, clock=Clock(seconds=0))
    run(data, parts, optimizer=optimizer, resume=True)
    assert [v["loss"] for v in log_of(parts).values()] == [
        v["loss"] for v in log_of(whole).values()
    ]
    one, two = (load_file(f / "state.safetensors") for f in (whole, parts))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_init_from_starts_with_those_weights(data, tmp_path):
    first = run(data, tmp_path / "first", steps=5)
    run(data, tmp_path / "second", init_from=first, steps=1, learning_rate=1e-12)
    start, end = load_jova(first), load_jova(tmp_path / "second" / "jova.safetensors")
    for name, tensor in start.tensors.items():
        torch.testing.assert_close(end.tensors[name], tensor)


def test_a_run_by_the_clock_cools_down(data, tmp_path):
    run(data, tmp_path, clock=Clock(seconds=1e9, cooldown=1e9))
    for line in log_of(tmp_path).values():
        left = 1 - line["seconds"] / 1e9
        assert line["learning_rate"] == pytest.approx(SETTINGS.rate(line["step"] - 1) * left)
    assert [Clock(seconds=9, cooldown=4).share(t) for t in (0, 5, 7, 9, 11)] == [1, 1, 0.5, 0, 0]
    with pytest.raises(JoVAError, match="no longer than the run"):
        Clock(seconds=9, cooldown=10)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_batches_made_ahead_come_in_order(threads):
    with closing(made_ahead(lambda number: number**2, 5, threads)) as made:
        assert list(islice(made, 8)) == [n * n for n in range(5, 13)]


def test_other_settings_refuse_to_resume(data, tmp_path):
    run(data, tmp_path, steps=2)
    with pytest.raises(JoVAError, match=r"settings\.seed was the default, now 1"):
        run(data, tmp_path, steps=2, seed=1, resume=True)


def test_a_state_of_an_earlier_version_goes_on(data, tmp_path):
    """It holds a digest in the place of the settings, so that they cannot be compared."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(data, whole)
    run(data, parts, clock=Clock(seconds=0))
    state = parts / "state.safetensors"
    about = {"format": "jova-train-state-1", "step": "1", "fingerprint": "0123456789ab"}
    save_file(load_file(state), state, metadata=about)
    run(data, parts, resume=True)
    one, two = (load_file(f / "jova.safetensors") for f in (whole, parts))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    ("encoders", "fits"),
    [
        ("(TextEncoderSpec(name='jova-mini-sounds', width=320, max_tokens=40),)", True),
        (f"({CONFIG.text[0]!r},)", True),
        ("(TextEncoderSpec(name='jova-mini-sounds', width=320, max_tokens=80),)", False),
    ],
)
def test_a_state_from_before_encoders_had_more_fields_goes_on(tmp_path, encoders, fits):
    """They stood there as one value's `repr`, which changes with every field."""
    now = identity_of(config=CONFIG, settings=SETTINGS)
    assert now["config.text.0.max_tokens"] == "40"
    before = {name: value for name, value in now.items() if not name.startswith("config.text.")}
    about = {"format": "jova-train-state-2", "step": "3"}
    about["identity"] = json.dumps(before | {"config.text": encoders})
    path = tmp_path / "state.safetensors"
    save_file({"master.x": torch.zeros(1)}, path, metadata=about)
    if fits:
        assert load_state(path, now).step == 3
    else:
        with pytest.raises(JoVAError, match=r"text\.0\.max_tokens was 80, now 40"):
            load_state(path, now)


def test_a_moved_start_goes_on_and_another_start_is_refused(data, tmp_path):
    first = run(data, tmp_path / "first", steps=1)
    other = run(data, tmp_path / "other", steps=2)
    run(data, tmp_path / "run", steps=2, init_from=first)
    moved = first.rename(tmp_path / "moved.safetensors")
    run(data, tmp_path / "run", steps=4, init_from=moved, resume=True)
    with pytest.raises(JoVAError, match="the weights that it starts from differ"):
        run(data, tmp_path / "run", steps=6, init_from=other, resume=True)


def test_a_run_is_not_overwritten(data, tmp_path):
    run(data, tmp_path, steps=1)
    with pytest.raises(JoVAError, match="--resume"):
        run(data, tmp_path, steps=1)


def test_a_loss_that_is_no_number_stops_before_the_update(data, tmp_path):
    with pytest.raises(JoVAError, match="NaN or infinity"):
        run(data, tmp_path, steps=50, mouth_weight=3e38)
    assert not (tmp_path / "jova.safetensors").exists()


def test_a_lora_learns_on_a_frozen_network_and_resumes(data, tmp_path):
    # A fresh network's gates are 0, so nothing inside its blocks could learn.
    base = run(data, tmp_path / "base", steps=30, learning_rate=3e-3, checkpoint_every=30)
    lora = LoRAConfig(rank=8, alpha=16)
    about = {"steps": 100, "checkpoint_every": 100, "init_from": base, "lora": lora}
    path = run(data, tmp_path / "lora", learning_rate=1e-2, **about)
    run(data, tmp_path / "still", learning_rate=1e-9, **about)
    assert path.name == "lora.safetensors"
    learnt, still = (
        sum(line["loss"] for step, line in log_of(tmp_path / name).items() if step > 50)
        for name in ("lora", "still")
    )
    assert learnt < 0.995 * still
    merge_lora(load_jova(base).model(), load_lora(path))

    settings = {"steps": 6, "init_from": base, "lora": lora}
    whole = load_file(run(data, tmp_path / "whole", **settings))
    run(data, tmp_path / "parts", clock=Clock(seconds=0), **settings)
    parts = load_file(run(data, tmp_path / "parts", resume=True, **settings))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[k], parts[k]) for k in whole)
    with pytest.raises(JoVAError, match="other settings"):
        run(data, tmp_path / "parts", resume=True, **(settings | {"lora": LoRAConfig(rank=2)}))


def test_gradient_checkpointing_changes_nothing_but_the_memory(data, tmp_path):
    files = [
        load_file(run(data, tmp_path / str(kept), steps=3, gradient_checkpointing=kept))
        for kept in (False, True)
    ]
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])


def test_a_step_with_a_freak_gradient_is_left_out(data, tmp_path):
    start = run(data, tmp_path / "start", steps=1, learning_rate=1e-9)
    kept = run(data, tmp_path / "kept", steps=3, spike_norm=1e-6, init_from=start)
    moved = run(data, tmp_path / "moved", steps=3, init_from=start)
    first, same, other = (load_file(path) for path in (start, kept, moved))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_eight_bit_adamw_is_taken_where_it_is_and_named_where_it_is_not(
    data, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    with pytest.raises(JoVAError, match="pip install bitsandbytes"):
        run(data, tmp_path / "missing", optimizer="adamw8bit")
    made = []

    class AdamW8bit(torch.optim.AdamW):
        def __init__(self, *args, **kw):
            made.append(kw)
            super().__init__(*args, **kw)

    fake = types.ModuleType("bitsandbytes.optim")
    fake.AdamW8bit = AdamW8bit
    monkeypatch.setitem(sys.modules, "bitsandbytes", types.ModuleType("bitsandbytes"))
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", fake)
    run(data, tmp_path / "there", optimizer="adamw8bit", steps=2)
    assert len(made) == 1


def test_a_finished_run_goes_on_with_more_steps(data, tmp_path):
    run(data, tmp_path, steps=3, cooldown=0.0)
    run(data, tmp_path, steps=6, cooldown=0.0, resume=True)
    run(data, tmp_path / "whole", steps=6, cooldown=0.0)
    parts, whole = (load_file(p / "jova.safetensors") for p in (tmp_path, tmp_path / "whole"))
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    with pytest.raises(JoVAError, match="other settings"):
        run(data, tmp_path, steps=9, cooldown=0.0, resume=True, mouth_weight=1.0)


def test_a_run_that_is_not_there_leaves_no_folder(data, tmp_path):
    with pytest.raises(JoVAError, match="without a run"):
        run(data, tmp_path / "none", resume=True)
    with pytest.raises(JoVAError):
        run(tmp_path / "no_data", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_folder_in_use_is_refused(data, tmp_path):
    with locked(tmp_path), pytest.raises(JoVAError, match="writing into"):
        run(data, tmp_path, steps=1)
    run(data, tmp_path, steps=1)
    assert not (tmp_path / ".jova-lock").exists()


def test_a_loss_that_explodes_stops_and_keeps_the_last_good_state(data, tmp_path, monkeypatch):
    """Each loss is enlarged from the 13th step on; the checkpoint of step 12 stays."""
    seen = []

    def growing(*arguments):
        terms = losses(*arguments)
        seen.append(1)
        factor = 1.0 if len(seen) <= 12 else 10.0
        return replace(terms, audio=terms.audio * factor, video=terms.video * factor)

    monkeypatch.setattr(loop, "losses", growing)
    with pytest.raises(JoVAError, match=r"step 17; .* up to step 12 is kept"):
        run(data, tmp_path, steps=40, checkpoint_every=2, log_every=1)
    with safe_open(tmp_path / "state.safetensors", "pt") as file:
        assert file.metadata()["step"] == "12"


def test_a_start_without_metadata_is_trained(data, tmp_path):
    start = run(data, tmp_path / "start", steps=1)
    bare = tmp_path / "bare.safetensors"
    tensors = load_file(start)
    save_file({f"model.diffusion_model.{name}": value for name, value in tensors.items()}, bare)
    assert run(data, tmp_path / "run", steps=1, init_from=bare).exists()
