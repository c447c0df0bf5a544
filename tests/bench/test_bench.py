"""`jova bench`: what it counts, its gate, and that nobody's switches stay changed."""

import importlib.util
import json

import pytest
import torch
import torch.nn.functional as F

from jova_core.bench import block as bench_block
from jova_core.bench import kernels as bench_kernels
from jova_core.bench import peers
from jova_core.bench import train as bench_train
from jova_core.bench.peers import BlockSize
from jova_core.errors import JoVAError

SIZE = BlockSize(dim=64, heads=2, video=24, audio=6, text=3)
needs_diffusers = pytest.mark.skipif(
    importlib.util.find_spec("diffusers") is None, reason="diffusers is not installed"
)


def products_of(rows, weights):
    """FLOP of `rows` tokens through linear layers of so many weights each."""
    return sum(2 * n * w for n, w in zip(rows, weights, strict=True))


@needs_diffusers
def test_what_each_block_computes():
    """Against formulas: 12 d² weights a token, modulation on top, attention 4 · pairs · d."""
    d, s, text = SIZE.dim, SIZE.tokens, 2 * SIZE.text
    image = s - text
    found = {c.name: c for c in peers.contenders(SIZE, torch.float32)}
    joint = 4 * s * s * d
    for name, contender in found.items():
        if name != "LTX-2 audio-video":
            assert contender.attention == joint, name
    body = 2 * s * 12 * d * d
    for name in ("jova dual", "jova single", "jova dual, plain torch"):
        assert found[name].products == body + 4 * 2 * 6 * d * d, "a time for each of four streams"
    for name in ("HunyuanVideo double", "Flux double"):
        assert found[name].products == body + 2 * 2 * 6 * d * d
    for name in ("HunyuanVideo single", "Flux single"):
        assert found[name].products == body + 2 * 3 * d * d
    video, audio = SIZE.video, SIZE.audio
    own = (video + audio) * (4 + 8) + 2 * (video + audio) + 2 * text
    cross = 2 * (2 * video + 2 * audio)
    assert found["LTX-2 audio-video"].products == 2 * (own + cross) * d * d
    pairs = video**2 + audio**2 + (video + audio) * SIZE.text + 2 * video * audio
    assert found["LTX-2 audio-video"].attention == 4 * pairs * d
    assert image == video + audio


@needs_diffusers
def test_figures_of_a_small_block(capsys):
    figures = bench_block.bench_block(SIZE, 2)
    json.dumps(figures)
    for part in (figures, figures["bf16"], figures["fp32"]):
        assert part["roof_fraction"] > 0
        for key in ("speedup_vs_eager", "speedup_vs_best_peer", "speedup_vs_best_peer_equal_flags"):
            low, high = part[f"{key}_interval"]
            assert 0 < low <= part[key] <= high
        assert part["best_peer"] in ("HunyuanVideo", "Flux", "LTX-2")
    names = {row["name"] for row in figures["rows"]}
    assert len(figures["rows"]) == 2 * 2 * len(names) == 36
    assert "jova dual" in bench_block.block_table(figures)
    assert capsys.readouterr().out == ""


def test_a_red_gate_measures_nothing(monkeypatch):
    monkeypatch.setattr(bench_block, "WORST", 0.01)
    monkeypatch.setattr(bench_block, "measure", lambda *_: pytest.fail("measured all the same"))
    with pytest.raises(JoVAError, match="none is measured"):
        bench_block.bench_block(SIZE, 1)


def test_switches_come_back():
    attend, settings = F.scaled_dot_product_attention, torch.backends.mkldnn.matmul
    before = settings.fp32_precision
    q = torch.ones(1, 1, 2, 4, dtype=torch.bfloat16)
    with bench_block.switches("equal", "Flux double"):
        assert F.scaled_dot_product_attention is not attend
        assert F.scaled_dot_product_attention(query=q, key=q, value=q).dtype == torch.bfloat16
    with pytest.raises(ZeroDivisionError), bench_block.switches("equal", "Flux double"):
        raise ZeroDivisionError
    assert F.scaled_dot_product_attention is attend
    assert settings.fp32_precision == before
    with bench_block.switches("defaults", "Flux double"):
        assert settings.fp32_precision == before, "peers run as they are"


def test_rounds_are_interleaved_and_begin_with_another_one_each_time():
    order = []
    group = [
        peers.Contender(
            system="jova",
            name="jova dual",
            run=lambda: order.append("a") or torch.zeros(1),
            products=1,
            attention=1,
        ),
        peers.Contender(
            system="peer", name="b", run=lambda: order.append("b"), products=1, attention=1
        ),
    ]
    times = bench_block.measure(group, SIZE, torch.float32, 3)
    assert {len(values) for values in times.rounds.values()} == {3}
    rounds = ["".join(order[i : i + 8]) for i in range(0, 32, 8)]
    assert rounds == ["aabbaabb", "bbaabbaa", "aabbaabb", "bbaabbaa"], (
        "each twice, the second counts"
    )


def test_interval_holds_the_median():
    assert bench_block.interval([1.0] * 9) == [1.0, 1.0]
    low, high = bench_block.interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    assert low < 4 < high


def test_kernels_by_every_backend_here(monkeypatch):
    figures = bench_kernels.bench_kernels(SIZE, 1)
    done = {(row["dtype"], row["op"], row["backend"]) for row in figures["rows"]}
    assert len(done) == 2 * 6 * 2, "six operations, eager and reference"
    assert all(row["ms"] > 0 and row["error"] < 5e-3 for row in figures["rows"])
    assert "of copy" in bench_kernels.kernels_table(figures)
    monkeypatch.setattr(bench_kernels, "_error", lambda *_: float("nan"))
    with pytest.raises(JoVAError, match="none is measured"):
        bench_kernels.bench_kernels(SIZE, 1)


def test_a_training_step_both_ways_has_one_loss():
    threads = torch.get_num_threads()
    try:
        figures = bench_train.bench_train(2, batch=1, compiled=False)
    finally:
        torch.set_num_threads(threads)
    assert figures["ours_loss"] == pytest.approx(figures["plain_loss"], rel=0.01)
    assert 0 < figures["speedup_low"] <= figures["speedup"] <= figures["speedup_high"]
