import json

import pytest
import torch

from jova_core.chart import LIPS, VOICE
from jova_core.errors import JoVAError
from jova_core.training.curve import plot_losses, read_log, write_curve


def lines(count, **changes):
    return [
        {"samples": 32 * i, "video": 1 / i, "mouth": 2 / i, "audio": 0.5, **changes}
        for i in range(1, count + 1)
    ]


def has(picture, colour):
    return bool(((picture.int() - torch.tensor(colour)).abs().sum(-1) < 20).any())


def test_every_loss_has_its_line():
    picture = plot_losses(lines(50))
    assert picture.shape == (480, 768, 3)
    assert has(picture[60:400, 80:], LIPS)
    assert has(picture[60:400, 80:], VOICE)


@pytest.mark.parametrize("count", [1, 2])
def test_short_runs_and_missing_losses_are_drawn(count):
    picture = plot_losses(lines(count, video=0.0, mouth=0.0))
    assert not has(picture[60:400, 80:], LIPS)
    assert has(picture[30:440, 60:], VOICE)


def test_a_torn_line_is_left_out_and_an_empty_log_named(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(lines(1)[0]) + '\n{"samp')
    assert len(read_log(log)) == 1
    assert write_curve(tmp_path).read_bytes()[:4] == b"\x89PNG"
    log.write_text("")
    with pytest.raises(JoVAError, match="no steps"):
        read_log(log)
