"""Lifelike people who speak, drawn by our own renderer from CC0 head meshes.

    person = draw_person(7)                      # who: attributes and a caption
    head = build(person)                         # about a second
    acted = perform(phones, 2.0, 25, 7, expression=person.expression)
    frames = render(head, acted, size=192)       # uint8 [50, 192, 192, 3]

Building and rendering need numba, the extra `data`.
"""

from .attributes import Person, draw_person, held_out_looks
from .caption import caption_of, read_caption
from .head import Head, build
from .lips import TrueLips, true_lips
from .perform import Performance, perform, rest
from .stage import render
from .visemes import TimedPhone

__all__ = [
    "Head",
    "Performance",
    "Person",
    "TimedPhone",
    "TrueLips",
    "build",
    "caption_of",
    "draw_person",
    "held_out_looks",
    "perform",
    "read_caption",
    "render",
    "rest",
    "true_lips",
]
