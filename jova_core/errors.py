"""The one error that a user gets to read."""


class JoVAError(ValueError):
    """Wrong input: one sentence that names what was given, what is expected and what to do."""
