"""The lip-sync report for users: correlation, offset, loudness, plot."""
