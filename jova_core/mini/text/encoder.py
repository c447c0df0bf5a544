"""JoVA-mini's text encoder: fixed codes for words and sounds, no weights.

A known word of a caption is one token; an unknown one is left out (the caller names it). A word of
the transcript is one token for each of its sounds, so that untrained words can be spoken too; a
trained word signs its sounds with its own code as well. Codes are ±1 from a hash of the text: the
same on every machine, and new words never change old ones; the network's input projection
learns their meaning. The rest of a token's features is its place: part of the prompt, word, sound.
`jova-mini-speech` says of a spoken sound, too, how many come before and after it in the transcript:
so a network need not count them to know when it is due.
"""

import hashlib
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from ...config import JoVAConfig, PromptForm
from ...errors import JoVAError
from ...prompt import PARTS, Prompt, normalise_words
from ...vocabulary import Vocabulary
from .pronounce import pronounce

_WORD, _SOUND, _WHERE = 192, 64, 30
# Places of a token in its features, by the encoder's name.
PLACES = {"jova-mini-sounds": 2, "jova-mini-speech": 4}
# Words of captions without meaning for the picture; the text is shorter without them.
_FILLERS = frozenset(("a", "an", "the", "with", "in", "on", "and"))


class Token(NamedTuple):
    """A caption's word or a spoken word's sound: part of the prompt, word and sound index.

    A tuple, as a frozen dataclass takes several times as long to look up.
    `text` is "" for a sound of an unnamed word; `sound` is "" in captions. before, after: sounds of
    the transcript, where the encoder tells.
    """

    text: str
    part: int
    word: int
    sound: str = ""
    at: int = 0
    before: int = 0
    after: int = 0


class MiniTextEncoder:
    """Prompts → features `[B, max_tokens, width]`; unused tokens are 0."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        max_tokens: int,
        form: PromptForm | None = None,
        name: str = "jova-mini-sounds",
    ) -> None:
        self.name = name
        self.width = _width(name)
        self.vocabulary = vocabulary
        self.max_tokens = max_tokens
        self.form = form or PromptForm()
        self._known = (
            frozenset(vocabulary.video_words),
            frozenset(vocabulary.audio_words),
            frozenset(vocabulary.spoken_words),
        )

    @classmethod
    def check(cls, config: JoVAConfig) -> None:
        """JoVAError for a config with other text encoders."""
        known = [[(name, _width(name))] for name in PLACES]
        if [(spec.name, spec.width) for spec in config.text] not in known:
            names = " + ".join(f"{spec.name} ({spec.width} wide)" for spec in config.text)
            raise JoVAError(
                f"This checkpoint reads {names}, not the mini's encoder {' or '.join(PLACES)}; "
                "choose the encoders of its training."
            )

    @classmethod
    def of(cls, config: JoVAConfig, vocabulary: Vocabulary) -> "MiniTextEncoder":
        """The encoder of a checkpoint; JoVAError for a config with others."""
        cls.check(config)
        spec = config.text[0]
        return cls(vocabulary, spec.max_tokens, config.prompt, spec.name)

    def tokens(self, prompt: Prompt, phonemes_only: Collection[int] = ()) -> list[Token]:
        """Tokens of a prompt; transcript words at the indices `phonemes_only` are not named.

        Raises JoVAError if they are more than `max_tokens`.
        """
        tokens: list[Token] = []
        for name in self.form.order:
            part, words = PARTS.index(name), normalise_words(getattr(prompt, name))
            known = self._known[part]
            if name != "transcript":
                words = [word for word in words if word in known and word not in _FILLERS]
                tokens += [Token(word, part, index) for index, word in enumerate(words)]
                continue
            spoken: list[Token] = []
            for index, word in enumerate(words):
                text = "" if index in phonemes_only or word not in known else word
                sounds = enumerate(pronounce(word))
                spoken += [Token(text, part, index, sound, at) for at, sound in sounds]
            tokens += self._placed(spoken)
        if len(tokens) > self.max_tokens:
            raise JoVAError(
                f"Got a prompt of {len(tokens)} tokens; this model reads up to {self.max_tokens}: "
                "shorten the transcript (each phoneme of a word is a token)."
            )
        return tokens

    def _placed(self, spoken: list[Token]) -> list[Token]:
        """Spoken sounds with their place in the whole transcript, where the encoder tells it."""
        if PLACES[self.name] == 2:
            return spoken
        last = len(spoken) - 1
        return [token._replace(before=n, after=last - n) for n, token in enumerate(spoken)]

    def features(self, tokens: Sequence[Token]) -> Tensor:
        """`[max_tokens, width]` for one prompt."""
        none = [torch.zeros(self.width)] * (self.max_tokens - len(tokens))
        return torch.stack([_features(token)[: self.width] for token in tokens] + none)

    def encode(
        self, prompts: Sequence[Prompt], *, phonemes_only: Sequence[Collection[int]] = ()
    ) -> Tensor:
        """`[B, max_tokens, width]`; see `TextEncoder`."""
        unnamed = phonemes_only or [()] * len(prompts)
        tokens = [self.tokens(*pair) for pair in zip(prompts, unnamed, strict=True)]
        return torch.stack([self.features(row) for row in tokens])


def _width(name: str) -> int:
    """Numbers of a token's features."""
    return _WORD + _SOUND + 4 + PLACES[name] * _WHERE


@lru_cache(maxsize=8192)
def _features(token: Token) -> Tensor:
    """`[width]`: codes of word and sound, one-hot part, places of word and sound, of the latter in
    the transcript from its beginning and from its end.
    """
    part = torch.zeros(4)
    part[token.part] = 2.0
    word, sound = _code(token.text, _WORD), _code(token.sound, _SOUND)
    places = map(_where, (token.word, token.at, token.before, token.after))
    return torch.cat((word, sound, part, *places))


@lru_cache(maxsize=8192)
def _code(text: str, size: int) -> Tensor:
    """±1 `[size]` from SHAKE-256 of the text; 0 for no text."""
    if not text:
        return torch.zeros(size)
    digest = hashlib.shake_256(text.encode()).digest(size // 8)
    bits = torch.tensor(list(digest), dtype=torch.uint8)[:, None] >> torch.arange(8) & 1
    return bits.flatten().float() * 2 - 1


@lru_cache(maxsize=256)
def _where(index: int) -> Tensor:
    """sin and cos `[30]` of an index, wavelengths 3 to 100."""
    waves = torch.logspace(0.5, 2, _WHERE // 2)
    angles = 2 * torch.pi * index / waves
    return torch.cat((angles.sin(), angles.cos()))
