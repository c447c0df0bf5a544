"""What other programs read in prompts, and no encoder here acts on: weights and choices."""

import re

# "(word:1.2)" weighs words, "{one|two}" chooses among them.
_WEIGHT = re.compile(r"\(([^()]*):\s*[+-]?(?:\d(?:\.\d*)?|\.\d+)\s*\)")
_CHOICE = re.compile(r"\{[^{}]*\|[^{}]*\}")


def find_markup(text: str) -> list[str]:
    """Return the weights and choices in a text."""
    return [found[0] for pattern in (_WEIGHT, _CHOICE) for found in pattern.finditer(text)]


def without_weights(text: str) -> str:
    """Return the text with each weighted word, "(word:1.2)", as the word alone."""
    count = 1
    while count:
        text, count = _WEIGHT.subn(r"\1", text)
    return text
