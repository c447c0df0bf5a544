"""The vocabulary of people and their video caption, written and read back."""

import re

from ...errors import JoVAError

SEXES = ("woman", "man")
# Years, both ends included.
AGE_GROUPS = {"young": (25, 37), "middle-aged": (38, 55), "old": (56, 75)}
# Who is drawn at random is well within a group, so that it can be told.
DRAWN_AGES = {"young": (28, 35), "middle-aged": (42, 52), "old": (65, 75)}
SKINS = ("pale", "light", "tan", "brown", "dark")
HAIR_COLOURS = ("black", "brown", "blond", "red", "gray")
HAIR_STYLES = {
    "woman": ("long", "wavy", "bob", "bun", "ponytail", "curly", "short", "afro"),
    "man": ("short", "swept-back", "buzz-cut", "curly", "long", "receding", "bald", "afro"),
}
BEARDS = ("none", "stubble", "goatee", "full")
EXPRESSIONS = ("neutral", "smiling", "serious")
SHIRTS = ("red", "yellow", "green", "blue", "purple", "black", "white", "gray")
BACKGROUNDS = ("white", "gray", "yellow", "blue", "green", "pink")
# The attributes that do not depend on another one.
CHOICES = {
    "sex": SEXES,
    "skin": SKINS,
    "hair_colour": HAIR_COLOURS,
    "glasses": (False, True),
    "expression": EXPRESSIONS,
    "shirt": SHIRTS,
    "background": BACKGROUNDS,
}
_MOODS = {"neutral": "calm", "smiling": "smiling", "serious": "serious"}
_HAIR = {
    "long": "long {} hair",
    "wavy": "wavy {} hair",
    "bob": "{} hair in a bob",
    "bun": "{} hair in a bun",
    "ponytail": "{} hair in a ponytail",
    "curly": "curly {} hair",
    "short": "short {} hair",
    "afro": "{} hair in an afro",
    "swept-back": "swept-back {} hair",
    "buzz-cut": "{} hair in a buzz cut",
    "receding": "receding {} hair",
    "bald": "a bald head",
}
_BEARD = {"none": "", "stubble": "stubble", "goatee": "a goatee", "full": "a full beard"}
_PATTERN = re.compile(
    r"an? (?P<mood>[a-z]+) (?P<age>[a-z-]+) (?P<sex>woman|man) with (?P<skin>[a-z]+) skin"
    r"(?P<rest>.*) in an? (?P<shirt>[a-z]+) shirt on an? (?P<background>[a-z]+) background"
)


def caption_of(attributes: dict) -> str:
    """The video caption of a person's attributes (see `Person.attributes`)."""
    hair = _HAIR[attributes["hair_style"]].format(attributes.get("hair_colour"))
    beard, glasses = _BEARD[attributes["beard"]], "glasses" if attributes["glasses"] else ""
    features = [f"{attributes['skin']} skin", hair, *filter(None, (beard, glasses))]
    listed = ", ".join(features[:-1]) + " and " + features[-1]
    return (
        f"a {_MOODS[attributes['expression']]} {attributes['age']} {attributes['sex']} "
        f"with {listed} in a {attributes['shirt']} shirt "
        f"on a {attributes['background']} background"
    )


def read_caption(caption: str) -> dict:
    """The attributes that a video caption names: what a made clip is judged against.

    JoVAError for a text that `caption_of` would not write.
    """
    found = _PATTERN.fullmatch(caption.strip())
    if found:
        attributes = {k: found[k] for k in ("sex", "age", "skin", "shirt", "background")}
        moods = {word: name for name, word in _MOODS.items()}
        attributes["expression"] = moods.get(found["mood"])
        attributes |= _read_features(found["rest"])
        if _known(attributes) and caption_of(attributes) == caption.strip():
            return attributes
    raise JoVAError(
        f"Got the caption {caption!r}; expected one such as: 'a smiling young woman with pale "
        "skin, long red hair and glasses in a blue shirt on a gray background'."
    )


def _known(attributes: dict) -> bool:
    choices = {**CHOICES, "age": AGE_GROUPS, "hair_style": _HAIR}
    if attributes["hair_style"] == "bald":
        del choices["hair_colour"]
    return all(attributes.get(name) in values for name, values in choices.items())


def _read_features(text: str) -> dict:
    """Hair, beard and glasses from the part of a caption between skin and shirt."""
    features = [part.strip() for part in re.split(r",| and ", text) if part.strip()]
    beards = {words: name for name, words in _BEARD.items() if words}
    beard = next((beards[part] for part in features if part in beards), "none")
    found = {"beard": beard, "glasses": "glasses" in features, "hair_style": None}
    for style, words in _HAIR.items():
        pattern = re.escape(words).replace(r"\{\}", "([a-z]+)")
        for part in features:
            match = re.fullmatch(pattern, part)
            if match:
                found["hair_style"] = style
                found |= {"hair_colour": match[1]} if match.groups() else {}
    return found
