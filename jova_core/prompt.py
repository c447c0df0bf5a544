"""The prompt's three tagged parts and the words in them."""

import re
import unicodedata
from dataclasses import dataclass

from .config import PromptForm
from .errors import JoVAError

# Tag texts and their order are the paper's (its figure of the architecture).
_TAGS = {
    "video_caption": "Video Caption",
    "audio_caption": "Audio Caption",
    "transcript": "Transcript",
}
PARTS = tuple(_TAGS)
_PART_NAMES = {part: tag.lower() for part, tag in _TAGS.items()}
_TAG_LIKE = re.compile(r"<\s*([^<>]*?)\s*>\s*:")
_KNOWN_TAG = re.compile(r"<\s*(video\s+caption|audio\s+caption|transcript)\s*>\s*:?", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“”„«»]([^\"“”„«»]*)[\"“”„«»]")
_SPEECH_VERB = re.compile(
    r"(?:^|[\s,;])(?:(?:and|who|that)\s+)?(?:is\s+)?(?:says|saying|speaks|speaking)[\s,:;.–—-]*$",
    re.IGNORECASE,
)
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
            if _KNOWN_TAG.search(text):
                raise JoVAError(
                    f"The {name} {text!r} contains a prompt tag; give the three parts separately, "
                    "or the whole tagged text as one prompt."
                )

    def tagged(self, form: PromptForm | None = None) -> str:
        """The text for the encoders, in the form of a checkpoint's config."""
        form = form or PromptForm()
        silent = not (self.transcript or form.transcript_if_empty)
        parts = [part for part in form.order if not (silent and part == "transcript")]
        return " ".join(f"<{_TAGS[part]}>: {getattr(self, part)}".strip() for part in parts)


def parse_prompt(text: str) -> Prompt:
    """Read a tagged prompt (any order, any case) or a plain sentence with the speech in quotes.

    Missing tags give empty parts; text before the first tag is the video caption when no tag says
    otherwise. JoVAError for a tag given twice, an unknown tag, or two video captions.
    """
    if not isinstance(text, str):
        raise JoVAError(f"The prompt is {text!r}; it must be text.")
    _check_tags(text)
    tags = list(_KNOWN_TAG.finditer(text))
    if not tags:
        return _parse_plain(text)
    parts: dict[str, str] = {}
    ends = [tag.start() for tag in tags[1:]] + [len(text)]
    for tag, end in zip(tags, ends, strict=True):
        part = "_".join(tag[1].lower().split())
        if part in parts:
            raise JoVAError(
                f"The prompt has the tag <{_TAGS[part]}> twice; give each tag once: {_tag_list()}."
            )
        parts[part] = _tidy(text[tag.end() : end])
    before = _tidy(text[: tags[0].start()])
    if before and "video_caption" in parts:
        raise JoVAError(
            f"The prompt has the text {before!r} before its first tag; move it behind one of the "
            f"tags: {_tag_list()}."
        )
    return Prompt(**({"video_caption": before} if before else {}), **parts)


def _check_tags(text: str) -> None:
    """Reject other tags: they would be spoken or drawn."""
    for tag in _TAG_LIKE.finditer(text):
        if not _KNOWN_TAG.match(tag[0]):
            raise JoVAError(f"Got the unknown tag <{tag[1]}>; use these: {_tag_list()}.")


def _tag_list() -> str:
    """Return the three tags as text for an error message."""
    return ", ".join(f"<{tag}>:" for tag in _TAGS.values())


def _parse_plain(text: str) -> Prompt:
    """Split an untagged sentence into the quoted speech and the caption around it."""
    quotes = list(_QUOTED.finditer(text))
    if not quotes:
        return Prompt(video_caption=_tidy(text))
    starts = [0] + [quote.end() for quote in quotes]
    rests = [
        _SPEECH_VERB.sub("", text[start : quote.start()])
        for start, quote in zip(starts, quotes, strict=False)
    ]
    rests.append(text[starts[-1] :])
    caption = _tidy(" ".join(rest.strip(' \t\n,;:.–—-"“”„«»') for rest in rests))
    return Prompt(video_caption=caption, transcript=_tidy(" ".join(quote[1] for quote in quotes)))


def _tidy(text: str) -> str:
    """Return `text` with every run of white space as one space and none at the ends."""
    return " ".join(text.split())


def normalise_words(text: str) -> list[str]:
    """Return the words in lower case: no punctuation, inner apostrophes kept, digits spelled.

    Of a weighted word, "(word:1.2)", the weight is left out.
    """
    plain = unicodedata.normalize("NFKC", _WEIGHT.sub("", text)).lower().replace("’", "'")
    return [
        _DIGITS[unicodedata.digit(word)] if word.isdigit() else word
        for word in _WORD.findall(plain)
    ]
