"""JoVA-mini: the small model that ships with the package, and all that makes it."""
