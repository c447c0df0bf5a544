"""The prompt's three tagged parts, the words in them and the words that a model knows."""

import re
import unicodedata
from dataclasses import dataclass, fields
from difflib import get_close_matches

from .config import JoVAError

# Tag texts and their order are the paper's (its figure of the architecture).
_TAGS = {
    "video_caption": "Video Caption",
    "audio_caption": "Audio Caption",
    "transcript": "Transcript",
}
PARTS = tuple(_TAGS)
_PART_NAMES = {part: tag.lower() for part, tag in _TAGS.items()}
# What becomes of words that a model was not trained on.
_UNKNOWN = {
    "video_caption": "leaves that out",
    "audio_caption": "leaves that out",
    "transcript": "says that by its sounds",
}
_TAG_LIKE = re.compile(r"<\s*([^<>]*?)\s*>\s*:")
_KNOWN_TAG = re.compile(r"<\s*(video\s+caption|audio\s+caption|transcript)\s*>\s*:?", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“”„«»]([^\"“”„«»]*)[\"“”„«»]")
_SPEECH_VERB = re.compile(
    r"(?:^|[\s,;])(?:(?:and|who|that)\s+)?(?:is\s+)?(?:says|saying|speaks|speaking)[\s,:;.–—-]*$",
    re.IGNORECASE,
)
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_WORD = re.compile(r"\d|[^\W\d_]+(?:'[^\W\d_]+)*")
# Measured on the mini's data: a word lasts 0.50 s, the shortest pauses are 0.08 s.
_SECONDS_PER_WORD = 0.58
_SECONDS_AROUND = 0.12


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What is seen, how it sounds and what is said; an empty part is legal."""

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
                    f"The {name} {text!r} holds a prompt tag; give the three parts separately, "
                    "or the whole tagged text as one prompt."
                )

    def tagged(self) -> str:
        """Return the text that encoders read: all three tags, always in the paper's order."""
        return " ".join(f"<{tag}>: {getattr(self, part)}".strip() for part, tag in _TAGS.items())


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
            f"The prompt has the text {before!r} before its first tag; put it behind one of the "
            f"tags: {_tag_list()}."
        )
    return Prompt(**({"video_caption": before} if before else {}), **parts)


def _check_tags(text: str) -> None:
    """Reject tags other than the three, which would end up being spoken or drawn."""
    for tag in _TAG_LIKE.finditer(text):
        if not _KNOWN_TAG.match(tag[0]):
            raise JoVAError(
                f"The prompt has the unknown tag <{tag[1]}>; the tags are: {_tag_list()}."
            )


def _tag_list() -> str:
    """Return the three tags as text for an error message."""
    return ", ".join(f"<{tag}>:" for tag in _TAGS.values())


def _parse_plain(text: str) -> Prompt:
    """Split an untagged sentence into what is quoted (said) and the rest (seen)."""
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
    """Return the words in lower case: no punctuation, inner apostrophes kept, digits spelled."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return [
        _DIGITS[unicodedata.digit(word)] if word.isdigit() else word
        for word in _WORD.findall(plain)
    ]


def estimate_seconds(transcript: str) -> float:
    """Return about how long the transcript takes to say, in seconds; 0 without words."""
    words = len(normalise_words(transcript))
    return words * _SECONDS_PER_WORD + _SECONDS_AROUND if words else 0.0


@dataclass(frozen=True)
class Vocabulary:
    """The normalised words that a model was trained on, per part of the prompt."""

    video_words: tuple[str, ...]
    audio_words: tuple[str, ...]
    spoken_words: tuple[str, ...]

    def to_dict(self) -> dict[str, list[str]]:
        """Return plain lists, ready for JSON."""
        return {field.name: list(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, data: dict[str, list[str]]) -> "Vocabulary":
        """Read what `to_dict` returned; JoVAError when a list is missing or unknown."""
        names = [field.name for field in fields(cls)]
        if not isinstance(data, dict) or sorted(data) != sorted(names):
            came = sorted(data) if isinstance(data, dict) else type(data).__name__
            raise JoVAError(f"The vocabulary holds {came}; it must hold {names}.")
        return cls(**{name: tuple(str(word) for word in data[name]) for name in names})

    def allowed(self, part: str) -> tuple[str, ...]:
        """Return the words of one prompt part ("video_caption", "audio_caption", "transcript")."""
        lists = (self.video_words, self.audio_words, self.spoken_words)
        return dict(zip(_TAGS, lists, strict=True))[part]

    def unknown(self, prompt: Prompt) -> dict[str, list[str]]:
        """Return the unknown words by part, each once; parts without any are absent."""
        found = {}
        for part in _TAGS:
            known = set(self.allowed(part))
            words = [word for word in normalise_words(getattr(prompt, part)) if word not in known]
            if words:
                found[part] = list(dict.fromkeys(words))
        return found


def describe_unknown(prompt: Prompt, vocabulary: Vocabulary) -> str:
    """Return one sentence per part that names each unknown word and the allowed list, else ""."""
    sentences = []
    for part, words in vocabulary.unknown(prompt).items():
        allowed = vocabulary.allowed(part)
        named = ", ".join(_with_suggestion(word, allowed) for word in words)
        sentences.append(
            f"The model was not trained on {named} in the {_PART_NAMES[part]} and "
            f"{_UNKNOWN[part]}; it knows: {', '.join(allowed)}."
        )
    return " ".join(sentences)


def _with_suggestion(word: str, allowed: tuple[str, ...]) -> str:
    """Return the word in quotes, with the nearest allowed word if there is one."""
    close = get_close_matches(word, allowed, n=1, cutoff=0.7)
    return f"{word!r} (did you mean {close[0]!r}?)" if close else repr(word)
