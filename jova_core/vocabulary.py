"""The words of a model's training, and the time to say words."""

import re
from dataclasses import dataclass, fields
from difflib import get_close_matches

from .errors import JoVAError
from .prompt import PARTS, Prompt, normalise_words

# Measured on the mini's data: a word lasts 0.50 s, the shortest pauses are 0.08 s.
_SECONDS_PER_WORD = 0.58
_SECONDS_AROUND = 0.12
_SLACK = 0.5  # s, tolerance of the estimate
# What other programs stress and choose words by: "(word:1.2)" and "{one|two}".
_MARKUP = re.compile(r"\([^()]*:\s*(?:\d(?:\.\d*)?|\.\d+)\s*\)|\{[^{}]*\|[^{}]*\}")
# The treatment of words outside the training.
_UNKNOWN = {
    "video_caption": "ignored",
    "audio_caption": "ignored",
    "transcript": "spoken by their phonemes",
}


def estimate_seconds(transcript: str) -> float:
    """About how many seconds the transcript takes to say; 0 without words."""
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
    """The normalised words of a model's training, per part of the prompt."""

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
            lists = sorted(data) if isinstance(data, dict) else type(data).__name__
            raise JoVAError(f"Got a vocabulary of {lists}; expected {names}.")
        return cls(**{name: tuple(str(word) for word in data[name]) for name in names})

    def allowed(self, part: str) -> tuple[str, ...]:
        """Return the words of one prompt part ("video_caption", "audio_caption", "transcript")."""
        lists = (self.video_words, self.audio_words, self.spoken_words)
        return dict(zip(PARTS, lists, strict=True))[part]

    def unknown(self, prompt: Prompt) -> dict[str, list[str]]:
        """Return the unknown words by part, each once; parts without any are absent."""
        result = {}
        for part in PARTS:
            allowed = set(self.allowed(part))
            words = [word for word in normalise_words(getattr(prompt, part)) if word not in allowed]
            if words:
                result[part] = list(dict.fromkeys(words))
        return result


def describe_unknown(prompt: Prompt, vocabulary: Vocabulary) -> str:
    """One sentence per part with unknown words, their treatment and the known words, else ""."""
    sentences = []
    for part, words in vocabulary.unknown(prompt).items():
        allowed = vocabulary.allowed(part)
        named = ", ".join(_with_suggestion(word, allowed) for word in words)
        sentences.append(
            f"Unknown words in the {part.replace('_', ' ')}, {_UNKNOWN[part]}: {named}. "
            f"The model knows: {', '.join(allowed)}."
        )
    return " ".join(sentences)


def _with_suggestion(word: str, allowed: tuple[str, ...]) -> str:
    """Return the word in quotes, with the nearest allowed word if there is one."""
    close = get_close_matches(word, allowed, n=1, cutoff=0.7)
    return f"{word!r} (did you mean {close[0]!r}?)" if close else repr(word)
