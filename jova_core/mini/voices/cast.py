"""The voices: which Kokoro packs make each, and the caption that a listener would agree with."""

from dataclasses import dataclass
from typing import Literal

from ...errors import JoVAError

Sex = Literal["woman", "man"]

# Captions follow from figures, so that they are true; every bound is ours. Pitch in Hz is heard
# against what is usual for a woman or a man.
PITCH_WORDS = {"woman": ("low", "medium", "high"), "man": ("deep", "medium", "light")}
PITCH_BOUNDS = {"woman": (178.0, 195.0), "man": (105.0, 135.0)}
TONE_WORDS, TONE_BOUNDS = ("warm", "soft", "clear"), (-15.0, -12.35)
# What is between the bounds is not named.
MANNER_WORDS, MANNER_BOUNDS = ("calm ", "", "lively "), (9.3, 11.2)
TEMPO_WORDS, TEMPO_BOUNDS = (" slowly", "", " quickly"), (0.93, 1.07)


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A voice: the packs of kokoro-js whose styles are averaged, who it is, measured figures.

    `pitch` is its median in Hz, `pace` its phones in a second, `brightness` the energy of 2 to
    7 kHz against that of 0.1 to 1 kHz in dB: `jova data make-voices` prints them.
    """

    packs: tuple[str, ...]
    sex: Sex
    pitch: float
    pace: float
    brightness: float

    @property
    def caption(self) -> str:
        """For example "a calm man with a light warm voice"."""
        manner = _word(self.pace, MANNER_WORDS, MANNER_BOUNDS)
        pitch = _word(self.pitch, PITCH_WORDS[self.sex], PITCH_BOUNDS[self.sex])
        tone = _word(self.brightness, TONE_WORDS, TONE_BOUNDS)
        return f"a {manner}{self.sex} with a {pitch} {tone} voice"


def _word(figure: float, words: tuple[str, ...], bounds: tuple[float, ...]) -> str:
    return words[sum(figure > bound for bound in bounds)]


NEWCOMER = "kumo"
CAST = {
    "kore": Voice(packs=("af_kore",), sex="woman", pitch=163, pace=12.3, brightness=-21.4),
    "nora": Voice(
        packs=("af_heart", "af_nicole"), sex="woman", pitch=174, pace=10.1, brightness=-12.5
    ),
    "emma": Voice(packs=("bf_emma",), sex="woman", pitch=182, pace=9.8, brightness=-11.0),
    "heart": Voice(packs=("af_heart",), sex="woman", pitch=203, pace=11.5, brightness=-14.1),
    "isabella": Voice(packs=("bf_isabella",), sex="woman", pitch=208, pace=10.8, brightness=-14.1),
    "lewis": Voice(packs=("bm_lewis",), sex="man", pitch=83, pace=9.8, brightness=-9.8),
    "michael": Voice(packs=("am_michael",), sex="man", pitch=118, pace=10.3, brightness=-12.2),
    "hugo": Voice(
        packs=("bm_lewis", "bm_george"), sex="man", pitch=127, pace=8.7, brightness=-14.2
    ),
    "fenrir": Voice(packs=("am_fenrir",), sex="man", pitch=151, pace=12.0, brightness=-14.1),
    "george": Voice(packs=("bm_george",), sex="man", pitch=150, pace=8.9, brightness=-15.4),
    # Of nobody in the training data: for showing that a LoRA learns a new speaker.
    NEWCOMER: Voice(packs=("jm_kumo",), sex="man", pitch=88, pace=11.8, brightness=-21.8),
}
VOICES = tuple(name for name in CAST if name != NEWCOMER)


def find_voice(name: str) -> Voice:
    """The voice of a name; JoVAError lists them."""
    if name not in CAST:
        raise JoVAError(f"Got the voice {name!r}; expected one of {', '.join(CAST)}.")
    return CAST[name]


def audio_caption(voice: str, tempo: float) -> str:
    """The audio caption of an utterance; `tempo` is against what is usual for the voice."""
    return f"{find_voice(voice).caption} speaks{_word(tempo, TEMPO_WORDS, TEMPO_BOUNDS)}"


def caption_words() -> tuple[str, ...]:
    """Every word that audio captions can hold."""
    pitches = (word for words in PITCH_WORDS.values() for word in words)
    words = (*MANNER_WORDS, *dict.fromkeys(pitches), *TONE_WORDS, *TEMPO_WORDS)
    named = tuple(word.strip() for word in words if word)
    return ("a", "woman", "man", "with", "voice", "speaks", *named)
