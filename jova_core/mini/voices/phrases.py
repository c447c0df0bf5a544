"""What the voices say: lists of words and short sentences, deterministic by seed and balanced."""

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..text.pronounce import VOWELS, pronounce
from .words import UNSEEN, is_held_out, single_words, unseen_words, word_kinds

Split = Literal["train", "heldout", "unseen"]

# Sentences of 1 to 7 words; "{kind}" is any word of that kind in words.txt. Written by us. Those
# who "do" are i, you, we and they, whom a verb without -s fits.
SENTENCES = {
    1: ("{greeting}!", "{greeting}.", "{name}?", "{moving}!", "{when}.", "{number}."),
    2: (
        *("{greeting}, {name}.", "{describing} {stuff}.", "{owner} {thing}.", "let's {moving}!"),
        *("{moving} {how}.", "{number} {dayword}.", "{dayword} {when}.", "please {moving}."),
        *("{subject} {past}.", "don't {moving}!", "not {how}.", "{asking} {person}?"),
    ),
    3: (
        *("the {describing} {creature}.", "please {moving} {how}.", "{name} {met} {object}."),
        *("where is {name}?", "it's {describing} {when}.", "{doing} {owner} {thing}."),
        *("{stuff} and {stuff}.", "{thing} or {thing}?", "i am {personal}."),
        *("{linking} the {place}.", "{subject} {modal} {moving}.", "{greeting}, i'm {name}."),
        *("there's {owner} {person}.", "it's almost {dayword}.", "let's {moving} {where}."),
    ),
    4: (
        *("{subject} {past} {owner} {thing}.", "{subject} {modal} {meeting} {object}."),
        *("who {past} {owner} {thing}?", "{name} is {personal} {when}.", "a {describing} {thing}"
          " {where}."),
        *("{linking} {owner} {describing} {place}.", "{owner} {person} can {moving}."),
        *("{greeting}, {moving} {how}.", "{describing} and {describing} {stuff}."),
        *("the {creature} can't {moving}.", "do {doing} {owner} {thing}."),
    ),
    5: (
        *("{subject} {modal} {doing} {owner} {thing}.", "the {person} is very {personal}."),
        *("can you {doing} {owner} {thing}?", "{when} {subject} {past} {owner} {thing}."),
        *("{owner} {thing} was really {describing}.", "there's a {creature} {linking} me."),
        *("{how} {subject} {past} the {stuff}.", "{name} and {name} {met} {object}."),
        *("why do we {moving} {when}?", "the {describing} {creature} can {moving}."),
        *("not all {stuff} is {describing}.", "{subject} {past} {stuff} and {stuff}."),
    ),
    6: (
        *("{stuff} is more {describing} than {stuff}.", "i am too {personal} and {personal}."),
        *("the {personal} {person} {past} {owner} {thing}.", "{subject} {modal} {moving}"
          " {linking} the {place}."),
        *("what does {owner} {person} {doing} {when}?", "a {describing} {creature} {past} the"
          " {stuff}."),
        *("{when} they {past} a {describing} {thing}.", "{name} will {doing} the {describing}"
          " {stuff}."),
        *("every {dayword} {subject} {modal} {moving} {where}.", "the {thing} and {thing} are"
          " {describing}."),
        *("have you {past} the {describing} {thing}?",),
    ),
    7: (
        *("there's a {describing} {creature} {linking} the {place}.", "{name}, please {doing} the"
          " {describing} {thing} {where}."),
        *("{subject} {past} {owner} {thing} {linking} the {place}.", "{when} {owner} {personal}"
          " {person} {modal} {moving} {where}."),
    ),
}  # fmt: skip
WORD_COUNTS = (1, 2, 3, 4, 5, 6, 7)
WORD_COUNT_SHARES = (0.04, 0.1, 0.15, 0.19, 0.22, 0.2, 0.1)
# Lists of words that make no sentence, so that every word is heard beside any other.
LIST_SHARE = 0.25
LIST_COUNT_SHARES = (0.15, 0.25, 0.3, 0.3)
# Of that many words drawn for a place, the one said least often so far is taken.
CONTEST, WIDE_CONTEST = 6, 120
# Stands in a list for a word of any kind.
ANY = "any"
TRIES = 30
UNSEEN_SENTENCES = (
    *("{unseen}.", "{unseen}, {unseen}.", "{unseen}, {unseen}, {unseen}.", "{owner} {unseen}."),
    *("the {personal} {unseen}.", "{subject} {past} {owner} {unseen}.", "where is the {unseen}?"),
)
# The phrases of a split are a stream of their own.
STREAMS = {"train": 1, "heldout": 2, "unseen": 3}


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """What one utterance says: its words in lower case, and the same with punctuation."""

    words: tuple[str, ...]
    text: str


def write_phrases(count: int, seed: int, split: Split = "train") -> tuple[Phrase, ...]:
    """`count` phrases; the first of them are the same for every greater count.

    "train" has no held-out pair, in "heldout" every phrase has one, "unseen" has words that no
    training has.
    """
    writer = _Writer(np.random.default_rng((seed, STREAMS[split])), split)
    return tuple(writer.write() for _ in range(count))


class _Writer:
    """Draws phrases; counts what was said, to prefer what was said least."""

    def __init__(self, rng: np.random.Generator, split: Split) -> None:
        self._rng = rng
        self._split = split
        self._said: Counter[str] = Counter()

    def write(self) -> Phrase:
        while True:
            form = self._form()
            # The form stays while its words change, or long phrases, which hold more pairs that
            # may be held out, would become rare.
            for _ in range(TRIES):
                phrase = parse(self._fill(form))
                if self._fits(phrase.words):
                    self._said.update(phrase.words)
                    return phrase

    def _fits(self, words: tuple[str, ...]) -> bool:
        pairs = list(itertools.pairwise(words))
        if any(first == second for first, second in pairs):
            return False
        held = any(is_held_out(*pair) for pair in pairs)
        if self._split == "unseen":
            return any(word in unseen_words() for word in words)
        return held == (self._split == "heldout")

    def _form(self) -> str:
        """A sentence whose {kind} are places for words."""
        rng = self._rng
        if self._split == "unseen":
            return UNSEEN_SENTENCES[rng.integers(len(UNSEEN_SENTENCES))]
        if rng.random() < LIST_SHARE:
            count = 1 + int(rng.choice(len(LIST_COUNT_SHARES), p=LIST_COUNT_SHARES))
            return f"{', '.join(count * ['{any}'])}."
        forms = SENTENCES[int(rng.choice(WORD_COUNTS, p=WORD_COUNT_SHARES))]
        return forms[rng.integers(len(forms))]

    def _fill(self, form: str) -> str:
        while "{" in form:
            kind = form[form.index("{") + 1 : form.index("}")]
            words = single_words() if kind == ANY else word_kinds()[kind]
            contest = WIDE_CONTEST if kind in (ANY, UNSEEN) else CONTEST
            form = form.replace(f"{{{kind}}}", self._least_said(words, contest), 1)
        return form

    def _least_said(self, words: tuple[str, ...], contest: int) -> str:
        drawn = self._rng.integers(len(words), size=contest)
        return min((words[index] for index in drawn), key=self._said.__getitem__)


def parse(text: str) -> Phrase:
    """A phrase of its text: "a" before a vowel becomes "an"; names and "I" are written large."""
    words = text.split()
    for at, word in enumerate(words[:-1]):
        if word == "a" and pronounce(words[at + 1].strip(",.?!"))[0][:2] in VOWELS:
            words[at] = "an"
    plain = tuple(word.strip(",.?!") for word in words)
    large = (word.capitalize() if _large(word, at) else word for at, word in enumerate(words))
    return Phrase(words=plain, text=" ".join(large))


def _large(word: str, at: int) -> bool:
    plain = word.strip(",.?!")
    return at == 0 or plain in {"i", "i'm"} or plain in word_kinds()["name"]
