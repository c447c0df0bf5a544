"""What several test files share: one thread, no deadline, and small random networks."""

import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from jova_core.config import JoVAConfig, TextEncoderSpec
from jova_core.latents import AVLatents, Conditioning
from jova_core.model.jova import JoVA
from jova_core.presets import PRESETS
from jova_core.training.initialise import initialise

# Shared CI machines stall at random, so hypothesis may not judge by the clock.
settings.register_profile("jova", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("jova")

# Spawned processes unpickle what tests define; pytest's importlib mode puts no folder on the path.
sys.path.append(str(Path(__file__).parents[1]))


# Files that take a minute or more; begun last, one of them would keep the others' process idle.
LONGEST = (
    "test_triton.py",
    "test_compat.py",
    "test_page.py",
    "test_gpu.py",
    "test_server.py",
    "test_distributed.py",
    "test_core_nodes.py",
    "test_graphs.py",
    "test_fuzz.py",
    "test_end_to_end.py",
    "test_people.py",
    "test_scale.py",
    "test_full_size.py",
    "test_encode.py",
    "test_kill.py",
)


def pytest_configure(config):
    """Files are handed out in the order of collection, not by their number of tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """The files that take longest first."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_config():
    """`tiny_config(**changes)`: a JoVA of two layers of each kind, 32 wide."""

    def make(**changes) -> JoVAConfig:
        base = replace(
            PRESETS["mini"],
            dim=32,
            heads=2,
            rope_axes=(8, 4, 4),
            dual_blocks=2,
            single_blocks=2,
            mlp_ratio=2,
            time_width=16,
            patch=(1, 2, 2),
            text=(TextEncoderSpec(name="one", width=12, max_tokens=5),),
        )
        return replace(base, **changes)

    return make


@pytest.fixture(scope="session")
def tiny_model():
    """`tiny_model(config)`: every weight random, gates included, in eval mode."""

    def make(config: JoVAConfig, *, dtype: torch.dtype = torch.float32) -> JoVA:
        model = JoVA(config)
        initialise(model, 0)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
        return model.to(dtype).eval()

    return make


@pytest.fixture(scope="session")
def inputs():
    """`inputs(config, ...)`: (x, t_video, t_audio, conditioning) for `JoVA.forward`."""

    def make(config, *, batch=2, video=(3, 4, 6), audio=7, picture=True, dtype=torch.float32):
        generator = torch.Generator().manual_seed(2)

        def draw(*shape):
            return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

        x = AVLatents(
            video=draw(batch, config.video.channels, *video),
            audio=draw(batch, config.audio.channels, audio),
        )
        conditioning = Conditioning(
            text=tuple(draw(batch, spec.max_tokens, spec.width) for spec in config.text),
            pooled=draw(batch, config.pooled_width) if config.pooled_width else None,
            guidance=torch.full((batch,), 4.0) if config.guidance_embed else None,
            image=draw(batch, config.image_channels, *video) if picture else None,
            image_mask=torch.ones(batch, 1, *video, dtype=dtype) if picture else None,
        )
        times = torch.linspace(200.0, 800.0, 2 * batch).view(2, batch)
        return x, times[0], times[1], conditioning

    return make


@pytest.fixture(scope="session")
def tiny():
    """A tiny run's module, tests/training/test_training.py: CONFIG, SETTINGS, make_data, run."""
    path = Path(__file__).parent / "training" / "test_training.py"
    spec = importlib.util.spec_from_file_location("tiny_run", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def landmarker() -> Path:
    """MediaPipe's face model, from the environment or from `../shared`."""
    shared = os.environ.get("JOVA_SHARED") or Path(__file__).parents[2] / "shared"
    named = os.environ.get("JOVA_FACE_LANDMARKER")
    path = Path(named) if named else Path(shared) / "data" / "face_landmarker.task"
    if not path.is_file():
        pytest.skip("no face_landmarker.task: set JOVA_FACE_LANDMARKER to use one")
    return path
