"""Spoken words from libespeak-ng with the time of every phoneme."""

import ctypes
import ctypes.util
import functools
import threading
from dataclasses import dataclass

import numpy as np

from ...errors import JoVAError
from ...processes import process_pool
from .vocabulary import UNSEEN_WORDS, VOICES, WORDS

SAMPLE_RATE = 16000
# Constants of espeak-ng's speak_lib.h.
SYNCHRONOUS = 2
PHONEME_EVENTS = 1
DONT_EXIT = 0x8000
EVENT_END, EVENT_PHONEME = 0, 7
PARAMETER_RATE, PARAMETER_VOLUME, PARAMETER_PITCH, PARAMETER_RANGE = 1, 2, 3, 4
CHARS_UTF8 = 1

# Ways of saying each word: (pitch offset, rate factor), so that no word is one fixed waveform.
PROSODY = ((0, 1.0), (5, 0.94), (-4, 1.06), (2, 1.0))
SILENCE_LEVEL = 0.012
FADE_SECONDS = 0.006
NEW_VOICE = "newcomer"


@dataclass(frozen=True, kw_only=True)
class VoiceSpec:
    """How espeak-ng makes one of our voices: voice name, pitch 0..100, range, words a minute."""

    name: str
    pitch: int
    pitch_range: int
    rate: int


VOICE_SPECS = {
    "deep": VoiceSpec(name="en-us+m1", pitch=30, pitch_range=40, rate=142),
    "low": VoiceSpec(name="en-us+m3", pitch=56, pitch_range=45, rate=152),
    "warm": VoiceSpec(name="en-us+m7", pitch=84, pitch_range=50, rate=146),
    "clear": VoiceSpec(name="en-us+f2", pitch=46, pitch_range=50, rate=158),
    "soft": VoiceSpec(name="en-us+f5", pitch=60, pitch_range=40, rate=140),
    "high": VoiceSpec(name="en-us+f4", pitch=88, pitch_range=55, rate=162),
    # Of nobody in the data set: for showing that a LoRA learns a new speaker.
    NEW_VOICE: VoiceSpec(name="en-us+m8", pitch=70, pitch_range=25, rate=150),
}


@dataclass(frozen=True, kw_only=True)
class Phoneme:
    """One phoneme: espeak-ng's name, start and end in seconds from the start of its waveform."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """A spoken word: float32 samples [N] at 16 kHz, unit RMS, and its phonemes in order."""

    samples: np.ndarray
    phonemes: tuple[Phoneme, ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


Bank = dict[tuple[str, str, int], Spoken]


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def load_espeak() -> ctypes.CDLL:
    """The espeak-ng library; JoVAError says what to install when it is missing."""
    name = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise JoVAError(
            "libespeak-ng was not found, and the mini data set needs it to speak; "
            "install espeak-ng (Debian and Ubuntu: apt install espeak-ng)."
        ) from error


class Synthesiser:
    """espeak-ng, opened once in a process (get it from `synthesiser()`)."""

    def __init__(self) -> None:
        """Opens the library; JoVAError when it is missing or has no voices."""
        self._lib = load_espeak()
        self._samples: list[np.ndarray] = []
        self._events: list[tuple[str, float]] = []
        self._callback = _Callback(self._collect)
        self._lock = threading.Lock()
        self.rate = self._lib.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS | DONT_EXIT)
        if self.rate <= 0:
            raise JoVAError("espeak-ng has no voice data; reinstall espeak-ng and its data.")
        self._lib.espeak_SetSynthCallback(self._callback)

    def _collect(self, wav: object, count: int, events: object) -> int:
        if wav and count > 0:
            self._samples.append(np.ctypeslib.as_array(wav, shape=(count,)).copy())
        index = 0
        while events[index].type != EVENT_END:
            event = events[index]
            if event.type == EVENT_PHONEME:
                name = event.id.string.decode("utf-8", "replace")
                self._events.append((name, event.audio_position / 1000))
            index += 1
        return 0

    def say(self, word: str, voice: str, variant: int) -> Spoken:
        """Speaks a word in one of our voices; `variant` picks one of PROSODY."""
        with self._lock:
            return self._say(word, VOICE_SPECS[voice], variant)

    def _say(self, word: str, spec: VoiceSpec, variant: int) -> Spoken:
        pitch_offset, rate_factor = PROSODY[variant]
        self._samples, self._events = [], []
        # The noise of espeak-ng comes from the C library: fix it, or runs would differ.
        ctypes.CDLL(None).srand(1 + variant)
        if self._lib.espeak_SetVoiceByName(spec.name.encode()) != 0:
            raise JoVAError(f"espeak-ng has no voice {spec.name}; reinstall espeak-ng's data.")
        self._lib.espeak_SetParameter(PARAMETER_RATE, round(spec.rate * rate_factor), 0)
        self._lib.espeak_SetParameter(PARAMETER_PITCH, spec.pitch + pitch_offset, 0)
        self._lib.espeak_SetParameter(PARAMETER_RANGE, spec.pitch_range, 0)
        self._lib.espeak_SetParameter(PARAMETER_VOLUME, 70, 0)
        text = word.encode() + b"\0"
        self._lib.espeak_Synth(text, len(text), 0, 1, 0, CHARS_UTF8, None, None)
        self._lib.espeak_Synchronize()
        samples = np.concatenate(self._samples).astype(np.float32) / 32768
        return _tidy(resample(samples, self.rate), self._events)


@functools.cache
def synthesiser() -> Synthesiser:
    """The process's one synthesiser: espeak-ng hangs when it is closed and opened again."""
    return Synthesiser()


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples [N] at `rate` Hz as float32 at 16 kHz, by cutting the spectrum softly at 8 kHz."""
    step = rate // int(np.gcd(rate, SAMPLE_RATE))
    padded = np.pad(samples, (0, -len(samples) % step)).astype(np.float64)
    length = len(padded) * SAMPLE_RATE // rate
    frequencies = np.fft.rfftfreq(len(padded), 1 / rate)[: length // 2 + 1]
    taper = np.clip((SAMPLE_RATE / 2 - frequencies) / 400, 0, 1)
    spectrum = np.fft.rfft(padded)[: length // 2 + 1] * taper
    return (np.fft.irfft(spectrum, length) * length / len(padded)).astype(np.float32)


def loudness(samples: np.ndarray, seconds: float = 0.03) -> np.ndarray:
    """RMS envelope [N] of samples [N] in a centred window of `seconds`."""
    width = max(1, round(seconds * SAMPLE_RATE))
    total = np.concatenate(([0.0], np.cumsum(samples.astype(np.float64) ** 2)))
    start = np.clip(np.arange(len(samples)) - width // 2, 0, len(samples))
    stop = np.clip(start + width, 0, len(samples))
    return np.sqrt(np.maximum(total[stop] - total[start], 0) / width)


def _tidy(samples: np.ndarray, events: list[tuple[str, float]]) -> Spoken:
    """Trims silence, fades both ends, brings the RMS to one and moves the phoneme times along."""
    loud = np.flatnonzero(loudness(samples, 0.01) > SILENCE_LEVEL * np.abs(samples).max())
    margin = round(0.008 * SAMPLE_RATE)
    first = max(0, int(loud[0]) - margin)
    last = min(len(samples), int(loud[-1]) + margin)
    cut = samples[first:last].astype(np.float64)
    fade = round(FADE_SECONDS * SAMPLE_RATE)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)
    cut[:fade] *= ramp
    cut[-fade:] *= ramp[::-1]
    cut /= np.sqrt(np.mean(cut**2))
    end = len(cut) / SAMPLE_RATE
    starts = [min(max(time - first / SAMPLE_RATE, 0.0), end) for _, time in events]
    ends = [*starts[1:], end]
    phonemes = tuple(
        Phoneme(name=name, start=start, end=stop)
        for (name, _), start, stop in zip(events, starts, ends, strict=True)
        if stop > start and not name.startswith("_") and name
    )
    return Spoken(samples=cut.astype(np.float32), phonemes=phonemes)


def make_bank(
    words: tuple[str, ...] = (*WORDS, *UNSEEN_WORDS), voices: tuple[str, ...] = VOICES
) -> Bank:
    """Every (word, voice, variant) spoken; the same for the same words and voices.

    It speaks in a new process: espeak-ng keeps state, so a word depends on what was said before.
    """
    with process_pool(1) as pool:
        return pool.submit(_speak_all, words, voices).result()


def _speak_all(words: tuple[str, ...], voices: tuple[str, ...]) -> Bank:
    speaker = synthesiser()
    return {
        (word, voice, variant): speaker.say(word, voice, variant)
        for word in words
        for voice in voices
        for variant in range(len(PROSODY))
    }
