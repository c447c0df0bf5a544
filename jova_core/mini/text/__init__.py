"""The mini's text encoder: words by hash codes, spoken words by their phonemes."""
