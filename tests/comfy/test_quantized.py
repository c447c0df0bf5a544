"""Checkpoints of `jova quantize` in a real ComfyUI."""

import pytest
from quantized import FORMATS


@pytest.fixture(scope="session")
def results(run_checks):
    """What each format gave, run once in ComfyUI's own interpreter."""
    return run_checks("quantized.py")


@pytest.mark.parametrize(("name", "core"), FORMATS.items())
def test_core_holds_the_weights_in_8_bits_and_makes_the_same_clip(results, name, core):
    found = results[name]
    assert found["held"] == {core: found["count"]}
    assert found["alike"] > 0.97
