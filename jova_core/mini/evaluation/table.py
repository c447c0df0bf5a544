"""The figures of an evaluation as a table for people."""

from typing import Any

ROWS = (
    ("words right (1 - WER)", "words", "words_shuffled", "words_ceiling"),
    ("sync (lips and loudness)", "sync", "sync_shuffled", "sync_ceiling"),
    ("sync, 95th percentile", None, "sync_shuffled_p95", None),
    ("sync (mouth width)", "sync_width", None, "sync_width_ceiling"),
    ("offset (frames, median)", "offset_frames", None, "offset_frames_ceiling"),
    ("attributes", "attributes", None, "attributes_ceiling"),
    ("voice", "voice", None, "voice_ceiling"),
    ("clips with a face", "faces_found", None, "faces_found_ceiling"),
    ("background flicker", "flicker", None, "flicker_ceiling"),
)
UNSEEN_ROWS = (
    ("unseen words right", "unseen_words", "unseen_words_shuffled", "unseen_words_ceiling"),
)
TASK_ROWS = (
    ("voice → lips: opening", "lips_opening", None, "lips_opening_ceiling"),
    ("voice → lips: width", "lips_width", None, "lips_width_ceiling"),
    ("voice → lips: closed on b m p", "lips_closed", None, "lips_closed_ceiling"),
    ("portrait: attributes kept", "portrait_attributes", None, None),
    ("portrait: words", "portrait_words", None, None),
    ("video → voice: loudness", "envelope", None, "envelope_ceiling"),
)


def format_table(result: dict[str, Any]) -> str:
    """The result of `evaluate` as lines: figure, generated, shuffled, ceiling."""
    lines = [f"{'':30}{'generated':>11}{'shuffled':>11}{'ceiling':>11}"]
    rows = ROWS + (UNSEEN_ROWS if "unseen_words" in result else ())
    for label, *names in rows + (TASK_ROWS if "lips_opening" in result else ()):
        cells = "".join(f"{_cell(result, name):>11}" for name in names)
        lines.append(f"{label:30}{cells}".rstrip())
    for name, value in result["per_attribute"].items():
        lines.append(f"{'  ' + name:30}{_text(value):>11}")
    lines.append(f"{result['clips']} clips; sync over {result['sync_clips']} of them.")
    return "\n".join(lines)


def _cell(result: dict[str, Any], name: str | None) -> str:
    return _text(result.get(name)) if name else ""


def _text(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
