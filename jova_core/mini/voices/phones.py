"""From Kokoro's phoneme signs and their lengths to ARPAbet phones with times."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from ...errors import JoVAError
from .speech import Phone

# Misaki's American signs, which Kokoro was trained on: capital letters are diphthongs, T is the
# tap of "water". Rows are ours; the names on the right are those of CMUdict.
ARPABET = {
    "A": "EY", "I": "AY", "O": "OW", "Q": "OW", "W": "AW", "Y": "OY",
    "ɑ": "AA", "ɒ": "AA", "æ": "AE", "ɐ": "AH", "ə": "AH", "ʌ": "AH", "ᵊ": "AH", "ɔ": "AO",
    "ɛ": "EH", "ɜ": "ER", "ɚ": "ER", "ɪ": "IH", "ᵻ": "IH", "i": "IY", "u": "UW", "ʊ": "UH",
    "b": "B", "ʧ": "CH", "d": "D", "ð": "DH", "f": "F", "ɡ": "G", "h": "HH", "ʤ": "JH",
    "k": "K", "l": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "ɹ": "R", "s": "S",
    "ʃ": "SH", "t": "T", "T": "T", "ɾ": "T", "ʔ": "T", "θ": "TH", "v": "V", "w": "W",
    "j": "Y", "z": "Z", "ʒ": "ZH",
}  # fmt: skip
VOWEL_SIGNS = frozenset("AIOQWYɑɒæɐəʌᵊɔɛɜɚɪᵻiuʊ")
STRESS = {"ˈ": 1, "ˌ": 2}
LENGTH_MARK = "ː"
PAUSES = frozenset(' ;:,.!?—…"“”()')

# Kokoro's durations are in frames of 600 samples at 24 kHz. Its sound comes 75 ms before the plain
# sum of durations: measured by forced alignment (bias 0 to 5 ms).
FRAME_SECONDS, SHIFT_SECONDS = 0.025, -0.075
# The sign of a word's end lengthens the phone before it; only what is longer is a pause. Ours, from
# closures of stops: they begin where that sign ends.
LONGEST_JOIN = 0.1


def times(durations: Sequence[float]) -> list[float]:
    """Start of every token in seconds, and the end of the last: [N + 1] of durations [N]."""
    sums = itertools.accumulate(durations, initial=0.0)
    return [total * FRAME_SECONDS + SHIFT_SECONDS for total in sums]


def timed_phones(signs: str, durations: Sequence[float]) -> tuple[Phone, ...]:
    """Phones of Kokoro's signs; `durations` [len(signs) + 2] has a pad before and one behind.

    Stress and length marks have time of their own, which goes to their vowel. JoVAError for a sign
    that is no English phone.
    """
    if len(durations) != len(signs) + 2:
        raise ValueError(f"{len(signs)} signs need {len(signs) + 2} durations: {len(durations)}")
    edges = times(durations)[1:]
    phones: list[Phone] = []
    word, stress, begin, joining = 0, 0, None, False
    for at, (sign, start, end) in enumerate(zip(signs, edges, edges[1:], strict=False)):
        if sign in PAUSES:
            joining = _join(phones, start, end, first=not joining)
            word += sign == " " and bool(phones) and phones[-1].word == word
            continue
        joining = False
        if sign in STRESS:
            stress, begin = STRESS[sign], start
        elif sign == LENGTH_MARK or _closes_er(signs, at):
            phones[-1] = replace(
                phones[-1], end=end, symbol="ER" if sign == "ɹ" else phones[-1].symbol
            )
        else:
            level = stress if sign in VOWEL_SIGNS else 0
            since = start if begin is None else begin
            symbol = _symbol(sign)
            phones.append(Phone(symbol=symbol, stress=level, start=since, end=end, word=word))
            # A mark before a consonant stands for the vowel of that syllable.
            stress, begin = (0, None) if sign in VOWEL_SIGNS else (stress, None)
    return tuple(phones)


def _symbol(sign: str) -> str:
    if sign not in ARPABET:
        raise JoVAError(
            f"Got the phoneme sign {sign!r}; expected one of American English: "
            f"{''.join(ARPABET)}. Leave that word out."
        )
    return ARPABET[sign]


def _closes_er(signs: str, at: int) -> bool:
    """Whether an r makes one vowel with the sign before it, as CMUdict writes it.

    "bird" always does; a weak "uh" does unless a stressed vowel follows: "mother", not "around".
    """
    if signs[at] != "ɹ" or at == 0:
        return False
    before, after = signs[at - 1], signs[at + 1 : at + 2]
    return before == "ɜ" or (before == "ə" and after not in STRESS)


def _join(phones: list[Phone], start: float, end: float, *, first: bool) -> bool:
    """Lengthens the last phone over the beginning of a pause; later signs of it add nothing."""
    if phones and first:
        phones[-1] = replace(phones[-1], end=min(end, start + LONGEST_JOIN))
    return True
