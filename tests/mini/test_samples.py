"""The bundled characters: whole, quiet at the start, and sayable by the bundled model."""

import pytest
import torch

from jova_core.errors import JoVAError
from jova_core.mini import MINI
from jova_core.mini.samples import load_sample, sample_names
from jova_core.model.checkpoint import load_jova
from jova_core.vocabulary import Vocabulary


@pytest.mark.parametrize("name", sample_names())
def test_a_sample_is_a_clip_of_the_minis_kind(name):
    sample = load_sample(name)
    checkpoint = load_jova(MINI)
    video, audio = checkpoint.config.video, checkpoint.config.audio
    assert sample.frames.dtype == torch.uint8
    assert sample.frames.shape == (33, video.height, video.width, 3)
    assert (sample.fps, sample.sample_rate) == (video.fps, audio.sample_rate)
    assert sample.audio.shape == (33 * audio.sample_rate // 16,)
    assert 0.05 < float(sample.audio.abs().max()) <= 1
    words = Vocabulary.from_dict(checkpoint.notes["vocabulary"])
    assert words.unknown(sample.prompt) == {}


def test_an_unknown_name_gets_the_list():
    with pytest.raises(JoVAError, match="brown-hair, blond-hair, purple-hair"):
        load_sample("nobody")


@pytest.mark.parametrize("name", sample_names())
def test_the_mouth_mask_is_the_box_in_every_frame(name):
    one = load_sample(name)
    mask = one.mouth_mask()
    x0, y0, x1, y1 = one.mouth
    assert mask.shape == one.frames.shape[:3]
    assert mask[:, y0:y1, x0:x1].all()
    assert int(mask[0].sum()) == (x1 - x0) * (y1 - y0)
