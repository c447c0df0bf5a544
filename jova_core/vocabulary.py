"""The words that a model was trained on, and how long words take to say."""

import re
from dataclasses import dataclass, fields
from difflib import get_close_matches

from .errors import JoVAError
from .prompt import PARTS, Prompt, normalise_words

# Measured on the mini's data: a word lasts 0.50 s, the shortest pauses are 0.08 s.
_SECONDS_PER_WORD = 0.58
_SECONDS_AROUND = 0.12
_SLACK = 0.5  # s, by which the estimate may be wrong
# What other programs stress and choose words by: "(word:1.2)" and "{one|two}".
_MARKUP = re.compile(r"\([^()]*:\s*(?:\d(?:\.\d*)?|\.\d+)\s*\)|\{[^{}]*\|[^{}]*\}")
# What becomes of words that a model was not trained on.
_UNKNOWN = {
    "video_caption": "leaves that out",
    "audio_caption": "leaves that out",
    "transcript": "says that by its sounds",
}


def estimate_seconds(transcript: str) -> float:
    """Return about how long the transcript takes to say, in seconds; 0 without words."""
    words = len(normalise_words(transcript))
    return words * _SECONDS_PER_WORD + _SECONDS_AROUND if words else 0.0


def describe_length(prompt: Prompt, seconds: float) -> str:
    """A sentence if the transcript takes longer to say than a clip of `seconds`, else ""."""
    needed = estimate_seconds(prompt.transcript)
    if needed <= seconds + _SLACK:
        return ""
    return f"The words need about {needed:.1f} s; a clip of {seconds:.1f} s cuts them short."


def describe_markup(prompt: Prompt) -> str:
    """A sentence if the prompt holds weights or choices, which do nothing here, else ""."""
    found = [text[0] for part in PARTS for text in _MARKUP.finditer(getattr(prompt, part))]
    if not found:
        return ""
    return (
        f"Got {', '.join(found)} in the prompt; this model takes no weights and makes no choice, "
        "so the words alone count, all of them; write the words that you want."
    )


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
        return dict(zip(PARTS, lists, strict=True))[part]

    def unknown(self, prompt: Prompt) -> dict[str, list[str]]:
        """Return the unknown words by part, each once; parts without any are absent."""
        found = {}
        for part in PARTS:
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
            f"The model was not trained on {named} in the {part.replace('_', ' ')} and "
            f"{_UNKNOWN[part]}; it knows: {', '.join(allowed)}."
        )
    return " ".join(sentences)


def _with_suggestion(word: str, allowed: tuple[str, ...]) -> str:
    """Return the word in quotes, with the nearest allowed word if there is one."""
    close = get_close_matches(word, allowed, n=1, cutoff=0.7)
    return f"{word!r} (did you mean {close[0]!r}?)" if close else repr(word)
