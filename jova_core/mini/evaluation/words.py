"""Share of right words: edit distance, word error rate and its shuffled control."""

from collections.abc import Sequence

import numpy as np

from .shuffle import derangements

Words = Sequence[str]


def edit_distance(reference: Words, hypothesis: Words) -> int:
    """Fewest insertions, deletions and substitutions of words from one to the other."""
    row = list(range(len(hypothesis) + 1))
    for i, wanted in enumerate(reference, start=1):
        above, row = row, [i]
        for j, heard in enumerate(hypothesis, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (wanted != heard)))
    return row[-1]


def words_right(references: Sequence[Words], hypotheses: Sequence[Words]) -> float:
    """1 - all edits / all reference words over a set of clips, at least 0; NaN without words."""
    pairs = zip(references, hypotheses, strict=True)
    return _right(sum(edit_distance(r, h) for r, h in pairs), sum(map(len, references)))


def words_right_shuffled(
    references: Sequence[Words], hypotheses: Sequence[Words], *, n: int = 200, seed: int = 0
) -> float:
    """Mean of `words_right` when each clip is scored against another clip's transcript.

    Clips change places with clips of the same word count; a count that only one clip has is
    scored as it would be against any other clip of the set.
    """
    if len(references) < 2:
        return float("nan")
    distance = np.array([[edit_distance(r, h) for h in hypotheses] for r in references])
    total = sum(map(len, references))
    counts = [len(reference) for reference in references]
    partners = derangements(counts, n=n, seed=seed)
    rng = np.random.default_rng((seed, 1))
    clips = np.arange(len(references))
    scores = []
    for other in partners:
        stranger = (clips + rng.integers(1, len(clips), len(clips))) % len(clips)
        chosen = np.where(other == clips, stranger, other)
        scores.append(_right(int(distance[chosen, clips].sum()), total))
    return float(np.mean(scores))


def _right(edits: int, words: int) -> float:
    return max(0.0, 1 - edits / words) if words else float("nan")
