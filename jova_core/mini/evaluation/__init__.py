"""The quality of the mini's clips: lip-sync, words, colours and voice, each beside its controls."""
