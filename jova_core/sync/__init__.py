"""The lip-sync report that a user gets: correlation, offset, loudness, plot."""
