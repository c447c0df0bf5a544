"""How good a clip is: lip-sync, words, colours and voice, each beside its controls."""

from .sync import (
    ShuffledControls,
    SyncReport,
    best_offset,
    shuffled_controls,
    speech_envelope,
    sync_report,
    zero_lag_correlation,
)
from .words import word_error_rate, words_right, words_right_shuffled

__all__ = [
    "ShuffledControls",
    "SyncReport",
    "best_offset",
    "shuffled_controls",
    "speech_envelope",
    "sync_report",
    "word_error_rate",
    "words_right",
    "words_right_shuffled",
    "zero_lag_correlation",
]
