"""The mini: a small model's own data, codecs and judges, on top of the core."""
