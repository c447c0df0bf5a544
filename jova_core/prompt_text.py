"""A whole prompt as people write it, read into its parts: tagged, or a sentence with quotes."""

import re

from .errors import JoVAError
from .prompt import KNOWN_TAG, TAGS, Prompt

_TAG_LIKE = re.compile(r"<\s*([^<>]*?)\s*>\s*:")
_QUOTED = re.compile(r"[\"“”„«»]([^\"“”„«»]*)[\"“”„«»]")
_SPEECH_VERB = re.compile(
    r"(?:^|[\s,;])(?:(?:and|who|that)\s+)?(?:is\s+)?(?:says|saying|speaks|speaking)[\s,:;.–—-]*$",
    re.IGNORECASE,
)


def parse_prompt(text: str) -> Prompt:
    """Read a tagged prompt (any order, any case) or a plain sentence with the speech in quotes.

    Missing tags give empty parts; text before the first tag is the video caption when no tag says
    otherwise. JoVAError for a tag given twice, an unknown tag, or two video captions.
    """
    if not isinstance(text, str):
        raise JoVAError(f"The prompt is {text!r}; it must be text.")
    _check_tags(text)
    tags = list(KNOWN_TAG.finditer(text))
    if not tags:
        return _parse_plain(text)
    parts: dict[str, str] = {}
    ends = [tag.start() for tag in tags[1:]] + [len(text)]
    for tag, end in zip(tags, ends, strict=True):
        part = "_".join(tag[1].lower().split())
        if part in parts:
            raise JoVAError(
                f"The prompt has the tag <{TAGS[part]}> twice; give each tag once: {_tag_list()}."
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
        if not KNOWN_TAG.match(tag[0]):
            raise JoVAError(f"Got the unknown tag <{tag[1]}>; use these: {_tag_list()}.")


def _tag_list() -> str:
    """Return the three tags as text for an error message."""
    return ", ".join(f"<{tag}>:" for tag in TAGS.values())


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
