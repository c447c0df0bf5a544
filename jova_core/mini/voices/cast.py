"""The voices: which Kokoro packs make each, and the caption that a listener would agree with."""

from dataclasses import dataclass
from typing import Literal

from ...config import JoVAError

Sex = Literal["woman", "man"]

# Captions follow from figures, so that they are true; every band is ours. Pitch is heard against
# what is usual for a woman or a man (its bounds in Hz).
PITCH_WORDS = ("low", "medium", "high")
PITCH_BOUNDS = {"woman": (175.0, 200.0), "man": (105.0, 132.0)}
TONE_WORDS, TONE_BOUNDS = ("warm", "soft", "clear"), (-15.5, -12.5)
# Phones a second of one utterance: what is between the bounds is not named.
SLOW, QUICK = 9.0, 13.0


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A voice: the packs of kokoro-js whose styles are averaged, who it is, measured figures.

    `pitch` is its median in Hz and `brightness` the energy of 2 to 7 kHz against that of 0.1 to
    1 kHz in dB: `jova data make-voices` prints both.
    """

    packs: tuple[str, ...]
    sex: Sex
    pitch: float
    brightness: float

    @property
    def caption(self) -> str:
        """For example "a woman with a low warm voice"."""
        pitch = PITCH_WORDS[sum(self.pitch > bound for bound in PITCH_BOUNDS[self.sex])]
        tone = TONE_WORDS[sum(self.brightness > bound for bound in TONE_BOUNDS)]
        return f"a {self.sex} with a {pitch} {tone} voice"


NEWCOMER = "kumo"
CAST = {
    "kore": Voice(packs=("af_kore",), sex="woman", pitch=165, brightness=-20.6),
    "nora": Voice(packs=("af_heart", "af_nicole"), sex="woman", pitch=165, brightness=-13),
    "emma": Voice(packs=("bf_emma",), sex="woman", pitch=184, brightness=-10.7),
    "heart": Voice(packs=("af_heart",), sex="woman", pitch=194, brightness=-14.6),
    "isabella": Voice(packs=("bf_isabella",), sex="woman", pitch=208, brightness=-13.9),
    "lewis": Voice(packs=("bm_lewis",), sex="man", pitch=97, brightness=-11.0),
    "michael": Voice(packs=("am_michael",), sex="man", pitch=116, brightness=-11),
    "hugo": Voice(packs=("bm_lewis", "bm_george"), sex="man", pitch=122, brightness=-14.7),
    "fenrir": Voice(packs=("am_fenrir",), sex="man", pitch=145, brightness=-14),
    "george": Voice(packs=("bm_george",), sex="man", pitch=148, brightness=-16.2),
    # Of nobody in the training data: for showing that a LoRA learns a new speaker.
    NEWCOMER: Voice(packs=("jm_kumo",), sex="man", pitch=91, brightness=-19.5),
}
VOICES = tuple(name for name in CAST if name != NEWCOMER)


def find_voice(name: str) -> Voice:
    """The voice of a name; JoVAError lists them."""
    if name not in CAST:
        raise JoVAError(f"Got the voice {name!r}; expected one of {', '.join(CAST)}.")
    return CAST[name]


def audio_caption(voice: str, pace: float) -> str:
    """The audio caption of an utterance; `pace` is in phones a second, pauses left out."""
    manner = " slowly" if pace < SLOW else " quickly" if pace > QUICK else ""
    return f"{find_voice(voice).caption} speaks{manner}"


def caption_words() -> tuple[str, ...]:
    """Every word that audio captions can hold."""
    return (
        *("a", "woman", "man", "with", *PITCH_WORDS, *TONE_WORDS),
        *("voice", "speaks", "slowly", "quickly"),
    )
