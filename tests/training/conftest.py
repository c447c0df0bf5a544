"""The tiny run of test_training.py for the other files here."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny():
    """Its module: CONFIG, SETTINGS, VOCABULARY, make_data."""
    path = Path(__file__).with_name("test_training.py")
    spec = importlib.util.spec_from_file_location("tiny_run", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
