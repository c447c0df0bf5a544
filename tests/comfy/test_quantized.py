"""Checkpoints of `jova quantize` in a real ComfyUI."""

import pytest
from quantized import BLOCKED, FORMATS


@pytest.fixture(scope="session")
def results(run_checks):
    """What each format gave, run once in ComfyUI's own interpreter."""
    return run_checks("quantized.py")


@pytest.mark.parametrize(("name", "core"), FORMATS.items())
def test_core_holds_the_weights_in_8_bits_and_makes_the_same_clip(results, name, core):
    found = results[name]
    assert found["held"] == {core: found["count"]}
    assert found["alike"] > 0.97


# Below bf16: 8 bits with a scale for every 32 values, 4 bits with one for every 16.
LEAST_ALIKE = {"mxfp8": 0.97, "nvfp4": 0.7}


@pytest.mark.parametrize("name", BLOCKED)
def test_formats_that_only_core_writes_are_loaded(results, name):
    found = results[name]
    assert found["held"] == {name: found["count"]}
    assert found["alike"] > LEAST_ALIKE[name]
