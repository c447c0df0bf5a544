"""How good the mini's clips are: lip-sync, words, colours and voice, each beside its controls."""
