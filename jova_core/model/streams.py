"""The streams of the joint sequence: names, branches and order.

A dual block has weights for each stream. A single block has weights for each branch, which its
text and its own tokens share.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class StreamSpec:
    """One stream of dual blocks: its name, the branch it belongs to, and whether it is text."""

    name: str
    branch: str
    is_text: bool


# In the order of the sequence; the branches' own tokens stand at its two ends.
STREAMS = (
    StreamSpec("audio", "a", False),
    StreamSpec("text_a", "a", True),
    StreamSpec("text_v", "v", True),
    StreamSpec("video", "v", False),
)
DUAL = tuple(stream.name for stream in STREAMS)
BRANCHES = tuple(dict.fromkeys(stream.branch for stream in STREAMS))
# The modality of each branch.
MODALITY = {stream.branch: stream.name for stream in STREAMS if not stream.is_text}


def branch_of(name: str) -> str:
    """The branch of a stream of dual or single blocks, or of a modality."""
    return next(s.branch for s in STREAMS if name in (s.name, s.branch))
