"""What ships in the package: small, in bf16, and described by itself."""

import pytest
import torch
from safetensors import safe_open

from jova_core.mini import MINI, MINI_CODECS
from jova_core.mini.data.vocabulary import published_vocabulary
from jova_core.model.checkpoint import load_jova
from jova_core.vocabulary import Vocabulary

pytestmark = pytest.mark.skipif(not MINI.exists(), reason="the bundled JoVA-mini is missing")


def test_checkpoint_and_codecs_are_at_most_40_mb_of_bf16():
    assert MINI.stat().st_size + MINI_CODECS.stat().st_size <= 40_000_000
    for path in (MINI, MINI_CODECS):
        with safe_open(path, "pt") as file:
            assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_the_checkpoint_knows_its_words_and_its_latent_statistics():
    loaded = load_jova(MINI)
    assert Vocabulary.from_dict(loaded.notes["vocabulary"]) == published_vocabulary()
    assert len(loaded.config.video.std) == loaded.config.video.channels
    assert len(loaded.config.audio.std) == loaded.config.audio.channels
