"""The prompt's three tagged parts and the words in them."""

import re
import unicodedata
from dataclasses import dataclass

from .config import PromptForm
from .errors import JoVAError

# Tag texts and their order are the paper's (its figure of the architecture).
TAGS = {
    "video_caption": "Video Caption",
    "audio_caption": "Audio Caption",
    "transcript": "Transcript",
}
PARTS = tuple(TAGS)
_PART_NAMES = {part: tag.lower() for part, tag in TAGS.items()}
KNOWN_TAG = re.compile(r"<\s*(video\s+caption|audio\s+caption|transcript)\s*>\s*:?", re.IGNORECASE)
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# The weight in "(word:1.2)", by which other programs stress a word.
_WEIGHT = re.compile(r":\s*(?:\d(?:\.\d*)?|\.\d+)\s*(?=\))")
_WORD = re.compile(r"\d|[^\W\d_]+(?:'[^\W\d_]+)*")


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """Captions of the picture and the sound, and the spoken words; parts may be empty."""

    video_caption: str = ""
    audio_caption: str = ""
    transcript: str = ""

    def __post_init__(self) -> None:
        for part, name in _PART_NAMES.items():
            text = getattr(self, part)
            if not isinstance(text, str):
                raise JoVAError(f"The {name} is {text!r}; it must be text.")
            if KNOWN_TAG.search(text):
                raise JoVAError(
                    f"The {name} {text!r} contains a prompt tag; give the three parts separately, "
                    "or the whole tagged text as one prompt."
                )

    def tagged(self, form: PromptForm | None = None) -> str:
        """The text for the encoders, in the form of a checkpoint's config."""
        form = form or PromptForm()
        silent = not (self.transcript or form.transcript_if_empty)
        parts = [part for part in form.order if not (silent and part == "transcript")]
        return " ".join(f"<{TAGS[part]}>: {getattr(self, part)}".strip() for part in parts)


def normalise_words(text: str) -> list[str]:
    """Return the words in lower case: no punctuation, inner apostrophes kept, digits spelled.

    Of a weighted word, "(word:1.2)", the weight is left out.
    """
    plain = unicodedata.normalize("NFKC", _WEIGHT.sub("", text)).lower().replace("’", "'")
    return [
        _DIGITS[unicodedata.digit(word)] if word.isdigit() else word
        for word in _WORD.findall(plain)
    ]
