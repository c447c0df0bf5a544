"""JoVA-mini's text encoder: fixed codes for words, no weights.

A known word is one token; an unknown word of the transcript is spelled letter by letter; an
unknown word of a caption is left out (the caller names it). A token's code is ±1 from a hash of its
text, so it is the same on every machine and new words never move old ones; the network's input
projection is what learns their meaning. The rest of a token's features says where it stands: which
part of the prompt, which word, which letter.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..config import JoVAError
from ..prompt import PARTS, Prompt, Vocabulary, normalise_words

_CODE, _WHERE = 192, 30
# Words of a caption that tell pictures apart by nothing; leaving them out keeps the text short.
_FILLERS = frozenset(("a", "an", "the", "with", "in", "on", "and"))


@dataclass(frozen=True)
class Token:
    """A word, or one letter of a spelled word: its part of the prompt, word and letter index."""

    text: str
    part: int
    word: int
    letter: int = 0


class MiniTextEncoder:
    """Prompts → features `[B, max_tokens, width]`; unused tokens are 0."""

    width = _CODE + 4 + 2 * _WHERE

    def __init__(self, vocabulary: Vocabulary, max_tokens: int) -> None:
        self.vocabulary = vocabulary
        self.max_tokens = max_tokens
        self._known = (
            frozenset(vocabulary.video_words),
            frozenset(vocabulary.audio_words),
            frozenset(vocabulary.spoken_words),
        )

    def tokens(
        self, prompt: Prompt, spelled: Sequence[int] = (), *, strict: bool = True
    ) -> list[Token]:
        """Tokens of a prompt; transcript words at the indices `spelled` are spelled out anyway.

        Raises JoVAError if they are more than `max_tokens`; without `strict` spelling is given up.
        """
        tokens: list[Token] = []
        for part, name in enumerate(PARTS):
            words = normalise_words(getattr(prompt, name))
            if part < 2:
                words = [w for w in words if w in self._known[part] and w not in _FILLERS]
            for index, word in enumerate(words):
                if part == 2 and (index in spelled or word not in self._known[2]):
                    tokens += [Token(f"'{c}", part, index, i) for i, c in enumerate(word)]
                else:
                    tokens.append(Token(word, part, index))
        if len(tokens) > self.max_tokens and spelled and not strict:
            return self.tokens(prompt)
        if len(tokens) > self.max_tokens:
            raise JoVAError(
                f"The prompt needs {len(tokens)} tokens, this model has {self.max_tokens}; "
                "shorten the transcript (each letter of an unknown word is a token)."
            )
        return tokens

    def features(self, tokens: Sequence[Token]) -> Tensor:
        """`[max_tokens, width]` for one prompt."""
        out = torch.zeros(self.max_tokens, self.width)
        for row, token in zip(out, tokens, strict=False):
            row.copy_(_features(token))
        return out

    def encode(self, prompts: Sequence[Prompt]) -> Tensor:
        """`[B, max_tokens, width]`."""
        return torch.stack([self.features(self.tokens(prompt)) for prompt in prompts])


@lru_cache(maxsize=8192)
def _features(token: Token) -> Tensor:
    """`[width]`: code of the text, one-hot part, places of word and letter."""
    part = torch.zeros(4)
    part[token.part] = 2.0
    return torch.cat((_code(token.text), part, _where(token.word), _where(token.letter)))


def _code(text: str) -> Tensor:
    """±1 `[192]` from SHAKE-256 of the text."""
    digest = hashlib.shake_256(text.encode()).digest(_CODE // 8)
    bits = torch.tensor(list(digest), dtype=torch.uint8)[:, None] >> torch.arange(8) & 1
    return bits.flatten().float() * 2 - 1


def _where(index: int) -> Tensor:
    """sin and cos `[30]` of an index, wavelengths 3 to 100."""
    waves = torch.logspace(0.5, 2, _WHERE // 2)
    angles = 2 * torch.pi * index / waves
    return torch.cat((angles.sin(), angles.cos()))
