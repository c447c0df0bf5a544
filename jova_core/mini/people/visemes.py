"""The mouth's shapes: which face units each phone of ARPAbet moves.

Phones are those of CMUdict (39, with or without stress digits); the names of espeak-ng's
phonemes in JoVA-mini's first voices differ in case and are not taken. Amounts are ours.
"""

from typing import Protocol

from ...errors import JoVAError


class TimedPhone(Protocol):
    """A phone with its start and end in seconds, as the voices give them."""

    name: str
    start: float
    end: float


# Face units without Left or Right move both sides; "tongue" lifts its tip.
REST, CLOSED, BITE = "rest", "closed", "bite"
VISEMES: dict[str, dict[str, float]] = {
    REST: {"mouthPress": 0.06},
    CLOSED: {"mouthPress": 0.50, "mouthRollLower": 0.32, "mouthRollUpper": 0.25, "jawOpen": 0.02},
    BITE: {"jawOpen": 0.08, "mouthRollLower": 0.75, "mouthUpperUp": 0.5, "mouthShrugLower": 0.2},
    "th": {
        "jawOpen": 0.20,
        "mouthLowerDown": 0.25,
        "mouthUpperUp": 0.25,
        "tongueOut": 0.55,
        "tongue": 0.45,
    },
    "d": {
        "jawOpen": 0.14,
        "mouthLowerDown": 0.28,
        "mouthUpperUp": 0.24,
        "mouthStretch": 0.12,
        "tongue": 0.45,
    },
    "l": {"jawOpen": 0.24, "mouthLowerDown": 0.28, "mouthUpperUp": 0.24, "tongue": 0.65},
    "s": {
        "jawOpen": 0.05,
        "mouthStretch": 0.40,
        "mouthLowerDown": 0.42,
        "mouthUpperUp": 0.38,
        "mouthSmile": 0.15,
        "tongue": 0.25,
    },
    "sh": {
        "jawOpen": 0.10,
        "mouthFunnel": 0.60,
        "mouthLowerDown": 0.26,
        "mouthUpperUp": 0.28,
        "tongue": 0.5,
    },
    "k": {"jawOpen": 0.22, "mouthLowerDown": 0.20, "mouthUpperUp": 0.15, "tongue": 0.1},
    "r": {"jawOpen": 0.15, "mouthFunnel": 0.40, "mouthPucker": 0.30, "tongue": 0.5},
    "w": {"jawOpen": 0.06, "mouthPucker": 0.95, "mouthFunnel": 0.20, "tongue": 0.1},
    "oo": {"jawOpen": 0.14, "mouthPucker": 0.80, "mouthFunnel": 0.30, "tongue": 0.1},
    "oh": {"jawOpen": 0.36, "mouthFunnel": 0.50, "mouthPucker": 0.35},
    "ah": {"jawOpen": 0.64, "mouthLowerDown": 0.20, "mouthUpperUp": 0.18},
    "a": {
        "jawOpen": 0.50,
        "mouthStretch": 0.28,
        "mouthLowerDown": 0.28,
        "mouthUpperUp": 0.26,
        "mouthSmile": 0.15,
        "tongue": 0.1,
    },
    "eh": {
        "jawOpen": 0.36,
        "mouthStretch": 0.22,
        "mouthLowerDown": 0.24,
        "mouthUpperUp": 0.24,
        "tongue": 0.2,
    },
    "uh": {"jawOpen": 0.30, "mouthLowerDown": 0.15, "mouthUpperUp": 0.15, "tongue": 0.1},
    "ee": {
        "jawOpen": 0.12,
        "mouthSmile": 0.38,
        "mouthStretch": 0.40,
        "mouthLowerDown": 0.34,
        "mouthUpperUp": 0.30,
        "tongue": 0.2,
    },
}
# A diphthong moves between two shapes.
PHONES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("M", "B", "P"), (CLOSED,)),
    **dict.fromkeys(("F", "V"), (BITE,)),
    **dict.fromkeys(("TH", "DH"), ("th",)),
    **dict.fromkeys(("T", "D", "N"), ("d",)),
    **dict.fromkeys(("S", "Z"), ("s",)),
    **dict.fromkeys(("SH", "ZH", "CH", "JH"), ("sh",)),
    **dict.fromkeys(("K", "G", "NG"), ("k",)),
    **dict.fromkeys(("R", "ER"), ("r",)),
    **dict.fromkeys(("HH", "AH"), ("uh",)),
    **dict.fromkeys(("IY", "Y"), ("ee",)),
    **dict.fromkeys(("UW", "UH"), ("oo",)),
    "L": ("l",),
    "W": ("w",),
    "IH": ("eh", "ee"),
    "EH": ("eh",),
    "AE": ("a",),
    "AA": ("ah",),
    "AO": ("oh",),
    "AY": ("ah", "ee"),
    "AW": ("ah", "oo"),
    "EY": ("eh", "ee"),
    "OW": ("oh", "oo"),
    "OY": ("oh", "ee"),
}
VOWELS = frozenset(
    ["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"]
)
# What speech tools call a pause.
PAUSES = frozenset(("", "SIL", "SP", "PAU", "SPN", "_"))


def visemes_of(phone: str) -> tuple[str, ...]:
    """The shapes that a phone passes through; JoVAError for a name that ARPAbet does not have."""
    bare = phone.upper().rstrip("012")
    if bare in PAUSES:
        return (REST,)
    if bare not in PHONES:
        raise JoVAError(
            f"Got the phone {phone!r}; expected one of ARPAbet's: {' '.join(sorted(PHONES))}, "
            "or SIL for a pause."
        )
    return PHONES[bare]
