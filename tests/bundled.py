"""What tests ask of the bundled mini, whichever it is: rates, sizes, its words, its samples."""

from functools import cache

from jova_core.config import JoVAConfig
from jova_core.media import write_clip
from jova_core.mini import MINI
from jova_core.mini.samples import Sample, load_sample, sample_names
from jova_core.model.checkpoint import load_jova
from jova_core.timeline import Timeline

# Sampling that shows only that the work is done.
FEW = ["--steps", "2", "--scale", "1"]


@cache
def config() -> JoVAConfig:
    """The config of the bundled checkpoint."""
    return load_jova(MINI).config


def timeline() -> Timeline:
    """Its rates."""
    return Timeline.of(config())


def side() -> int:
    """Pixels of its pictures, which are square."""
    assert config().video.width == config().video.height
    return config().video.width


@cache
def sample(number: int = 0) -> Sample:
    """One of the bundled characters."""
    return load_sample(sample_names()[number])


def spoken(number: int = 0) -> str:
    """A prompt of its own words, as a sentence."""
    said = sample(number).prompt
    return f'{said.video_caption} says "{said.transcript}"'


def write_sample(path, seconds: float = 1.0, number: int = 0):
    """A film of a bundled character with its voice, at the sample's size and rate."""
    one = sample(number)
    frames, samples = round(one.fps * seconds), round(one.sample_rate * seconds)
    write_clip(
        path, one.frames[:frames], one.audio[:samples], fps=one.fps, sample_rate=one.sample_rate
    )
    return path
