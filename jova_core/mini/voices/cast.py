"""The voices: which Kokoro packs make each, and the caption that a listener would agree with."""

from dataclasses import dataclass
from typing import Literal

from ...config import JoVAError

Sex = Literal["woman", "man"]


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A voice: the packs of kokoro-js whose styles are averaged, and who it is."""

    packs: tuple[str, ...]
    sex: Sex


NEWCOMER = "kumo"
CAST = {
    "heart": Voice(packs=("af_heart",), sex="woman"),
    "emma": Voice(packs=("bf_emma",), sex="woman"),
    "isabella": Voice(packs=("bf_isabella",), sex="woman"),
    "kore": Voice(packs=("af_kore",), sex="woman"),
    "nora": Voice(packs=("af_heart", "af_nicole"), sex="woman"),
    "michael": Voice(packs=("am_michael",), sex="man"),
    "fenrir": Voice(packs=("am_fenrir",), sex="man"),
    "lewis": Voice(packs=("bm_lewis",), sex="man"),
    "george": Voice(packs=("bm_george",), sex="man"),
    "hugo": Voice(packs=("bm_lewis", "bm_george"), sex="man"),
    # Of nobody in the training data: for showing that a LoRA learns a new speaker.
    NEWCOMER: Voice(packs=("jm_kumo",), sex="man"),
}
VOICES = tuple(name for name in CAST if name != NEWCOMER)


def find_voice(name: str) -> Voice:
    """The voice of a name; JoVAError lists them."""
    if name not in CAST:
        raise JoVAError(f"Got the voice {name!r}; expected one of {', '.join(CAST)}.")
    return CAST[name]
