"""An engine for tests: a tone for every letter, its phones the letters; it notes what it says."""

import os
from pathlib import Path

import numpy as np

from jova_core.mini.voices.speech import SAMPLE_RATE, Phone, Speech

NOTES = "JOVA_TEST_NOTES"


class StandIn:
    def version(self, _voice):
        return "stand-in-1"

    def say(self, text, _voice, tempo):
        with Path(os.environ[NOTES]).open("a") as notes:
            notes.write(f"{os.getpid()} {text}\n")
        step = 0.05 / tempo
        letters = [letter for letter in text.upper() if letter.isalpha()]
        time = np.arange(round(step * len(letters) * SAMPLE_RATE)) / SAMPLE_RATE
        phones = tuple(
            Phone(symbol=letter, stress=at % 3, start=at * step, end=(at + 1) * step, word=0)
            for at, letter in enumerate(letters)
        )
        return Speech(samples=0.1 * np.sin(500 * time).astype(np.float32), phones=phones)
