"""The words that clips of people are captioned with and that their voices say."""

from functools import cache

from ...prompt import normalise_words
from ...vocabulary import Vocabulary
from ..people.caption import AGE_GROUPS, BEARDS, CHOICES, HAIR_STYLES, caption_of
from ..voices.cast import caption_words
from ..voices.words import trained_words


@cache
def people_vocabulary() -> Vocabulary:
    """Every word that captions and transcripts of training clips can hold."""
    plain = {name: values[0] for name, values in CHOICES.items()}
    plain |= {"age": "young", "hair_style": "short", "beard": "none"}
    styles = tuple(style for styles in HAIR_STYLES.values() for style in styles)
    choices = {**CHOICES, "age": tuple(AGE_GROUPS), "hair_style": styles, "beard": BEARDS}
    captions = (
        caption_of(plain | {name: value}) for name, values in choices.items() for value in values
    )
    seen = dict.fromkeys(word for caption in captions for word in normalise_words(caption))
    spoken = dict.fromkeys(word for text in trained_words() for word in normalise_words(text))
    heard = dict.fromkeys(word for text in caption_words() for word in normalise_words(text))
    return Vocabulary(video_words=tuple(seen), audio_words=tuple(heard), spoken_words=tuple(spoken))
